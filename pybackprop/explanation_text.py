"""The text of an explanation: nodes, edges, paths and steps in columns."""

import numpy as np

__all__ = ["lines_of", "numbers"]


def numbers(x):
    """A few numbers of an array, or a scalar."""
    if x is None:
        return "-"
    x = np.asarray(x)
    if x.ndim == 0:
        return f"{x.item():.6g}" if x.dtype.kind == "f" else str(x.item())
    shown = [numbers(item) for item in x.ravel()[:4]]
    more = " ..." if x.size > 4 else ""
    return f"[{' '.join(shown)}{more}]" + (
        f" {'x'.join(map(str, x.shape))}" if x.ndim > 1 or more else ""
    )


def lines_of(e):
    """List the lines of the text of an :class:`.explanation.Explanation`."""
    lines = [f"{e.name}({', '.join(e.arguments)}) = {numbers(e.value)}", ""]
    rows = []
    for node in e.nodes:
        call = node.primitive + (f"({', '.join(node.operands)})" if node.operands else "")
        rows.append((node.name, call, numbers(node.value), numbers(node.adjoint), node.line))
    names, calls, values, adjoints = (
        max(least, *(len(row[k]) for row in rows)) for k, least in enumerate((4, 20, 9, 9))
    )
    left = names + calls + 3
    lines.append(f"{'Nodes':<{left + 2}}{'value':<{values + 2}}adjoint")
    for name, call, value, adjoint, line in rows:
        line = f"  # {line[:60]}" if line else ""
        columns = f"  {name:<{names}}  {call:<{calls}} {value:<{values}}  {adjoint:<{adjoints}}"
        lines.append((columns + line).rstrip())
    lines += ["", f"{'Edges':<{left + 2}}local derivative"]
    for edge in e.edges:
        link = f"{edge.source} -> {edge.target}"
        if edge.derivative is not None:
            shown = numbers(edge.derivative)
        elif edge.diagonal is not None:
            shown = f"per element {numbers(edge.diagonal)}"
        else:
            shown = "(large)"
        lines.append(f"  {link:<{left}}{shown}")
    return [*lines, "", *_path_lines(e, left), "", *_step_lines(e)]


def _path_lines(e, left):
    if not e.path_counts:
        yield "Paths: the graph has too many elements to list them"
        yield from _brief_lines(e, list(e.derivatives))
        return
    yield "Paths: along each, the local derivatives multiply; over all of them, the products add up"
    brief = []
    for name, paths in e.paths.items():
        missing = e.path_counts[name] - len(paths)
        if missing and not paths:
            brief.append(name)
            continue
        yield f"  from {name}"
        for path in paths:
            product = numbers(path.product)
            if len(path.factors) > 1:
                product = f"{' * '.join(map(numbers, path.factors))} = {product}"
            steps = " -> ".join(path.steps)
            if len(steps) > left - 3:
                yield f"    {steps}"
                steps = ""
            yield f"    {steps:<{left - 2}}{product}"
        gradient = f"gradient {numbers(e.derivatives[name])}{_check(e, name)}"
        if missing:
            yield f"    ... and {missing} more paths, not listed (see max_paths)"
            yield f"    {gradient}"
        else:
            yield f"    sum {numbers(sum(path.product for path in paths))}, {gradient}"
    yield from _brief_lines(e, brief)


def _brief_lines(e, names):
    """Inputs of which no path is listed."""
    for name in names[:20]:
        count = e.path_counts.get(name)
        paths = "" if count is None else f"{count} paths, not listed (see max_paths), "
        yield f"  from {name}: {paths}gradient {numbers(e.derivatives[name])}{_check(e, name)}"
    if len(names) > 20:
        yield f"  ... and {len(names) - 20} more parameters"


def _check(e, name):
    if name not in e.differences:
        return ""
    return f", central difference {numbers(e.differences[name])}"


def _step_lines(e):
    n, p = e.n_nodes, e.n_parameters
    yield f"Steps: N = {n} nodes, P = {p} parameters."
    yield (
        "  One forward and one reverse sweep give the gradient by all parameters: about "
        f"N + P = {n + p} steps."
    )
    yield (
        "  Bumping each parameter in turn, to check, runs all nodes each time: "
        f"N x P = {n * p} steps."
    )
