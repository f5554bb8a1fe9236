"""A reference interpreter: walks a graph with each primitive's NumPy evaluation.

Slow and simple, and independent of passes, lowering and the core: tests compare those with this.
"""

import math

import matrices
import numpy as np
import special_exact

import pybackprop.dispatch  # noqa: F401 - puts the operators onto Value
from pybackprop.graph import CONSTANT, INPUT, open_graph
from pybackprop.numpy._common import as_value

# Traces follow NEP 50. NumPy 1.26 can be asked to, but not everywhere.
NEP50 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
if not NEP50:
    np._set_promotion_state("weak")

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _gather(x, positions):
    positions = np.where(positions < 0, positions + x.shape[1], positions)
    rows = np.broadcast_to(positions, (x.shape[0], positions.shape[-1]))
    return np.take_along_axis(x, np.broadcast_to(rows[:, :, None], (*rows.shape, x.shape[2])), 1)


def _scatter(x, positions, updates, add):
    y = x.copy()
    for outer in range(x.shape[0]):
        places = positions if positions.ndim == 1 else positions[outer]
        for k, place in enumerate(places):
            if not -x.shape[1] <= place < x.shape[1]:
                raise IndexError(f"position {place} of {x.shape[1]}")
            y[outer, place] = y[outer, place] + updates[outer, k] if add else updates[outer, k]
    return y


def _matmul(a, b, transpose_a, transpose_b):
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    return np.matmul(a, b)


def _rounded(exact):
    return lambda *operands: exact(*operands).astype(operands[0].dtype)


EVALUATE = {name: _rounded(exact) for name, exact in special_exact.EXACT.items()} | {
    "erf": lambda x: _erf(x).astype(x.dtype),
    "erfc": lambda x: _erfc(x).astype(x.dtype),
    "sigmoid": lambda x: np.asarray(_sigmoid(x), x.dtype),
    "softplus": lambda x: np.logaddexp(x, np.zeros((), x.dtype)),
    "broadcast_to": lambda x, shape: np.broadcast_to(x, shape),
    "wrap_index": lambda x, bound: np.where(x < 0, x + bound, x),
    "gather": _gather,
    "scatter_add": lambda x, p, u: _scatter(x, p, u, add=True),
    "scatter_set": lambda x, p, u: _scatter(x, p, u, add=False),
    "matmul": _matmul,
    "lu": matrices.lu,
    "lu_solve": lambda a, f, b, transposed: matrices.solve_packed(f, b, transposed=transposed),
    "inv": matrices.inverse,
    "cholesky": matrices.cholesky,
    "qr": matrices.qr,
    "svd": matrices.svd,
    "singular_values": matrices.singular_values,
    "eigh": matrices.eigh,
    "eigenvalues_h": matrices.eigenvalues_h,
    "eig": matrices.eig,
    "eigenvalues": lambda a: matrices.eig(a)[:2],
    "expm": matrices.expm,
    "cofactors": matrices.cofactors,
    "triangular_solve": lambda t, b, checked, **options: matrices.triangular(t, b, **options),
}


def run(graph, *inputs):
    """The graph's outputs, as a list of arrays.

    Parameters
    ----------
    graph : Graph
        Closed.
    *inputs : array_like
        One per input of the graph.
    """
    known = {}
    arrays = iter(inputs)
    for node in graph.nodes:
        if node.primitive is INPUT:
            value = node.outputs[0]
            array = np.asarray(next(arrays), value.dtype)
            assert array.shape == value.shape, (array.shape, value.shape)
            results = [array]
        elif node.primitive is CONSTANT:
            results = [node.attributes["value"]]
        else:
            operands = [known[v] for v in node.operands]
            results = evaluate(node, operands)
        for value, result in zip(node.outputs, results, strict=True):
            result = np.asarray(result)
            assert result.shape == value.shape, (node, result.shape)
            assert result.dtype == value.dtype, (node, result.dtype)
            known[value] = result
    return [known[v] for v in graph.outputs]


def evaluate(node, operands):
    """The outputs of one node, as a list."""
    name, attributes = node.primitive.name, node.attributes
    if name == "scan":
        return _scan(operands, **attributes)
    special = EVALUATE.get(name)
    with np.errstate(all="ignore"):
        if special is not None:
            result = special(*operands, **attributes)
            return list(result) if node.primitive.multiple else [result]
        result = node.primitive.evaluate(*operands, **attributes)
    assert result is not None, f"{name} has no NumPy evaluation"
    return list(result) if node.primitive.multiple else [result]


def _scan(operands, **attributes):
    raise NotImplementedError("scan")


def trace(function, *arrays):
    """The closed graph of ``function`` at these shapes and dtypes, one output per result."""
    with open_graph("test") as graph:
        values = [
            graph.add_input(np.shape(a), np.asarray(a).dtype, weak=type(a) in (int, float))
            for a in arrays
        ]
        result = function(*values)
        several = isinstance(result, (tuple, list))
        graph.close([as_value(r) for r in (result if several else [result])])
    return graph.check()


def call(function, *arrays):
    """``function`` of arrays, by way of a graph: a list of arrays."""
    return run(trace(function, *arrays), *arrays)


def compare(function, *arrays, rtol=None):
    """Check that a NumPy function gives the same values, shapes, dtypes on a graph as on arrays."""
    with np.errstate(all="ignore"):
        expected = function(*arrays)
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    found = call(function, *arrays)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        assert ours.dtype == theirs.dtype, (ours.dtype, theirs.dtype)
        if theirs.dtype.kind == "f":
            epsilon = np.finfo(theirs.dtype).eps
            tolerance = 20 * epsilon if rtol is None else rtol
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(ours, theirs)
