"""A walk down a surface with four valleys, and what it costs to know the way.

Himmelblau's function is zero at four points. Gradient descent from one start reaches one of them,
another, or none, depending on the learning rate. Then the counts: a reverse sweep finds the
derivatives by all P parameters with about as many nodes as the function has, N + P, where
differences need the function P times over, N x P.

    python examples/gradient_descent.py
"""

import numpy as np

import pybackprop as bp
from pybackprop.graph import CONSTANT, INPUT


def surface(p):
    """Himmelblau's function (1972)."""
    x, y = p
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def show_map(path, half_width=5.0, columns=61, rows=25):
    """Print the surface, darker where it is lower, and the points of a path by number."""
    x = np.linspace(-half_width, half_width, columns)
    y = np.linspace(half_width, -half_width, rows)
    height = np.log1p(surface((x[None, :], y[:, None])))
    shades = np.array(list("#*+=-:. "))
    levels = np.clip(height / height.max() * len(shades), 0, len(shades) - 1).astype(int)
    picture = shades[levels]
    for step in reversed(range(len(path))):
        column, row = (path[step] * (1, -1) + half_width) / (2 * half_width)
        if 0 <= column <= 1 and 0 <= row <= 1:
            mark = str(step) if step < 10 else "o" if step < len(path) - 1 else "E"
            picture[round(row * (rows - 1)), round(column * (columns - 1))] = mark
    for line in picture:
        print("   ", "".join(line))


def show_walk(path):
    """Print some points of a path."""
    slope = bp.value_and_grad(surface)
    print("    step        x        y           f   |gradient|")
    for step in (0, 1, 2, 3, 5, 10, 20, 50, len(path) - 1):
        value, gradient = slope(path[step])
        x, y = path[step]
        print(f"    {step:4d} {x:8.4f} {y:8.4f} {value:11.3e}  {np.linalg.norm(gradient):11.3e}")


def valleys(p):
    """Styblinski and Tang's function (1990): two valleys along each of any number of axes."""
    return sum(0.5 * (x**4 - 16 * x**2 + 5 * x) for x in p)


def count_nodes(compiled, *args):
    """Nodes that a compiled function computes."""
    nodes = compiled.lower(*args).graph.nodes
    return sum(node.primitive not in (INPUT, CONSTANT) for node in nodes)


def main():
    """Run the example."""
    start = np.array([0.5, -0.5])
    steps = 100
    print(f"{steps} steps from ({start[0]}, {start[1]}):")
    for rate in (0.001, 0.01, 0.02, 0.025, 0.05):
        with np.errstate(all="ignore"):
            path = bp.optim.gradient_descent(surface, start, rate, steps)
            end = surface(path[-1])
        x, y = path[-1]
        if not np.isfinite(end):
            size = np.abs(path).max(axis=1)
            outcome = (
                f"far too large, beyond 10 at step {np.argmax(~(size < 10))} and then overflows"
            )
        else:
            before = surface(path[-2])
            verdict = "there" if end < 1e-6 else "on its way" if end < before else "hops about"
            outcome = f"ends at ({x:7.4f}, {y:7.4f}), f = {end:.1e}: {verdict}"
        print(f"    learning rate {rate:<5} {outcome}")

    rate = 0.01
    path = bp.optim.gradient_descent(surface, start, rate, steps)
    print(f"\nThe walk with learning rate {rate}:")
    show_walk(path)
    print("    darker is lower, digits are steps, E is the end")
    show_map(path)

    print("\nNodes to compute for the value and all derivatives:")
    print("    parameters P  value alone, N  one reverse sweep  differences, N (P + 1)")
    for p in (2, 10, 100):
        x = [0.1] * p
        n = count_nodes(bp.compile(valleys), x)
        both = count_nodes(bp.value_and_grad(valleys), x)
        print(f"    {p:16d} {n:15d} {both:18d} {n * (p + 1):23d}")


if __name__ == "__main__":
    main()
