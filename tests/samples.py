"""Sample inputs for every primitive: operands, attributes, and how its derivative is to be checked.

``SAMPLES`` maps the name of a primitive to a list of :class:`Sample`. Operands are float64 where
the primitive takes floats;
tests convert them for float32. The points lie where the primitive is smooth, unless ``smooth``
says otherwise; kinks
have tests of their own.
"""

import math

import matrices
import mpmath
import numpy as np
import special_exact

from pybackprop import primitives
from pybackprop.graph import open_graph
from pybackprop.primitives import elementwise as e
from pybackprop.primitives import reduction, special  # noqa: F401 - fills the registry
from pybackprop.primitives.control import scan_values  # noqa: F401 - fills the registry
from pybackprop.primitives.linalg import SparseMatrix

_rng = np.random.default_rng(7)


class Sample:
    """Operands and attributes of one application of a primitive.

    Attributes
    ----------
    arrays : list of array
    attributes : dict
    smooth : bool
        Whether derivatives exist at these operands.
    exact : callable or None
        The same function on longdouble arrays, where the primitive's own evaluation cannot do that.
    label : str
    fixed : tuple of int
        Numbers of floating operands that are constants of the application: orders of families,
        row numbers among the elements.
    """

    def __init__(self, name, arrays, attributes=None, smooth=True, exact=None, label="", fixed=()):
        self.name = name
        self.arrays = [np.asarray(a) for a in arrays]
        self.attributes = attributes or {}
        self.smooth = smooth
        self.exact = exact
        self.fixed = fixed
        self.label = label or "-".join(
            f"{a.dtype}{list(a.shape)}".replace(" ", "") for a in self.arrays
        )

    @property
    def primitive(self):
        return primitives.find(self.name)

    @property
    def floating(self):
        """Numbers of the operands that derivatives are taken by."""
        return [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f" and i not in self.fixed]

    def with_dtype(self, dtype):
        """The sample with floating operands of another dtype."""
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in self.arrays]
        attributes = dict(self.attributes)
        if "body" in attributes:
            attributes["body"] = self.attributes["body_of"](dtype)
        return Sample(
            self.name, arrays, attributes, self.smooth, self.exact, self.label, self.fixed
        )

    def apply(self, *values):
        """The primitive on values of the open graph."""
        attributes = {k: v for k, v in self.attributes.items() if k != "body_of"}
        return self.primitive(*values, **attributes)

    def of_floats(self, *values):
        """The primitive as a function of its floating operands only."""
        values = iter(values)
        floating = self.floating
        return self.apply(
            *[next(values) if i in floating else a for i, a in enumerate(self.arrays)]
        )

    def wide(self, *floats):
        """The same in extended precision, by NumPy or mpmath."""
        floats = iter(floats)
        floating = self.floating
        arrays = [next(floats) if i in floating else a for i, a in enumerate(self.arrays)]
        if self.exact is not None:
            return self.exact(*arrays)
        return self.primitive.evaluate(*arrays, **self.attributes)

    def __repr__(self):
        return f"{self.name}({self.label})"


SAMPLES = {}


def _add(name, *arrays, smooth=True, exact=None, label="", fixed=(), **attributes):
    if name == "lu_solve":
        fixed = (1,)  # with row numbers among its elements
    sample = Sample(name, arrays, attributes, smooth, exact, label, fixed)
    SAMPLES.setdefault(name, []).append(sample)


def _floats(*shape, low=-1.4, high=1.4):
    return np.array(_rng.uniform(low, high, shape))


def _precise(function):
    """An mpmath function on arrays, to the precision of longdouble."""

    def one(x):
        with mpmath.workdps(40):
            return np.longdouble(mpmath.nstr(function(mpmath.mpf(str(x))), 30))

    return lambda x: np.vectorize(one, otypes=[np.longdouble])(np.asarray(x, np.longdouble))


# ---- elementwise --------------------------------------------------------------------------------

_EXACT = {
    "erf": _precise(mpmath.erf),
    "erfc": _precise(mpmath.erfc),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
_DOMAINS = {
    "log": (0.2, 4),
    "log2": (0.2, 4),
    "log10": (0.2, 4),
    "log1p": (-0.8, 3),
    "sqrt": (0.2, 4),
    "arcsin": (-0.95, 0.95),
    "arccos": (-0.95, 0.95),
    "arctanh": (-0.95, 0.95),
    "arccosh": (1.1, 5),
    "cbrt": (0.2, 4),
    "reciprocal": (0.3, 3),
    "relu": (0.1, 2),
    "erfc": (-2, 4),
    "softplus": (-20, 20),
    "sigmoid": (-12, 12),
    "exp": (-5, 5),
    "abs": (0.2, 2),
}
_UNARY = (
    "negative",
    "abs",
    "sign",
    "square",
    "reciprocal",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "erf",
    "erfc",
    "sigmoid",
    "softplus",
    "relu",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "finite",
)
for _name in _UNARY:
    _low, _high = _DOMAINS.get(_name, (-1.4, 1.4))
    for _shape in ((), (37,), (3, 4)):
        _add(_name, _floats(*_shape, low=_low, high=_high), exact=_EXACT.get(_name))

for _at in (0.7, np.linspace(-3, 3, 37), np.linspace(-2, 1, 12).reshape(3, 4)):
    _add("gauss", _at, exact=lambda x: np.exp(-(x**2)))

_BINARY = (
    "add",
    "subtract",
    "multiply",
    "mulz",
    "divide",
    "arctan2",
    "hypot",
    "fmod",
    "remainder",
    "floor_divide",
    "copysign",
    "nextafter",
    "maximum",
    "minimum",
    "power",
    "relu_gate",
    "tanh_back",
    "sigmoid_back",
)
_BROADCASTS = (
    ((), ()),
    ((5,), (5,)),
    ((3, 1), (4,)),
    ((2, 3, 4), (3, 1)),
    ((), (3,)),
    ((1, 4), ()),
)
for _name in _BINARY:
    for _a, _b in _BROADCASTS:
        _low = (
            0.3
            if _name in ("power", "divide", "fmod", "remainder", "floor_divide", "mulz")
            else -1.4
        )
        _left = _floats(*_a, low=_low, high=2.5)
        # Bounded away from zero, where some are not smooth.
        _right = _floats(*_b, low=0.4, high=2.3)
        if _name == "nextafter":
            # Differences would see its steps.
            _add(_name, _left, _right, smooth=False)
        else:
            _add(_name, _left, _right)
for _name in ("max_gate", "min_gate"):
    for _shape in ((), (6,), (2, 3)):
        _add(_name, _floats(*_shape), _floats(*_shape), _floats(*_shape))
_add("max_gate", _floats(2, 3), _floats(3), _floats(2, 1))

for _a, _b, _c in (((), (), ()), ((5,), (5,), (5,)), ((3, 1), (4,), ()), ((), (3,), (2, 1))):
    _add("select", _floats(*_a) > 0.1, _floats(*_b), _floats(*_c))
_add("select", np.array([True, False]), np.array([1, 2]), np.array([3, 4]))

for _name in ("equal", "not_equal", "less", "less_equal"):
    for _a, _b in _BROADCASTS:
        _add(_name, np.round(_floats(*_a)), np.round(_floats(*_b)))
    _add(_name, np.array([1, 2, 3]), np.array([3, 2, 1]))
    _add(_name, np.array([True, False]), np.array([[True], [False]]))
for _name in ("isnan", "isinf", "isfinite", "signbit"):
    _add(_name, np.array([1.0, -0.0, np.nan, np.inf, -np.inf]))
    _add(_name, np.array(np.nan))

_SHIFTED = np.array([[1, 5, 12, 7], [0, 3, 2, 9]])
for _dtype in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
    _bits = _SHIFTED.astype(_dtype)
    for _name in ("and", "or", "xor"):
        _add(_name, _bits, _bits[::-1].copy())
        _add(_name, _bits[0, 0], _bits[1, 0])
    _add("not", _bits)
    _add("not", _bits[0, 1])
    if _dtype != "bool":
        for _name in (
            "add",
            "subtract",
            "multiply",
            "maximum",
            "minimum",
            "floor_divide",
            "remainder",
        ):
            _add(_name, _bits, _bits[1] + np.asarray(1, _dtype))
        _add("power", _bits, np.asarray([[2], [3]], _dtype))
        _add("left_shift", _bits, np.asarray([1, 2, 0, 3], _dtype))
        _add("right_shift", _bits, np.asarray(1, _dtype))
        _add("gcd", _bits, np.asarray([12, 9, 0, 3], _dtype))
        for _name in ("square", "abs", "negative", "sign"):
            _add(_name, _bits)
for _name in ("add", "multiply", "floor_divide", "remainder"):
    _add(_name, np.array([-7, 7, -7, 7, 0]), np.array([3, 3, -3, -3, 5]))

_CODES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
)
for _from in _CODES:
    for _to in _CODES:
        _add(
            "convert",
            np.array([[0, 1, 2], [3, 100, 7]]).astype(_from),
            dtype=np.dtype(_to),
            smooth=False,
            label=f"{_from}-{_to}",
        )
_add("convert", _floats(3, 4), dtype=np.dtype("float64"))
_add("convert", np.array(-1.75), dtype=np.dtype("int32"), smooth=False)
_add("convert", np.array([-1.75, 2.5]), dtype=np.dtype("int64"), smooth=False)

for _shape in ((), (5,), (3, 4)):
    _add("accumulate", *[_floats(*_shape) for _ in range(4)])
    _add("stop_gradient", _floats(*_shape), smooth=False)

# ---- special functions --------------------------------------------------------------------------

# One range per operand; an order that is no range is fixed.
_SPECIAL = {
    "lgamma": ((0.2, 12),), "digamma": ((0.2, 12),), "gamma": ((0.4, 5),), "rgamma": ((0.4, 5),),
    "erfcx": ((-1, 3),), "ndtr": ((-2, 2),), "log_ndtr": ((-3, 3),), "ndtri": ((0.1, 0.9),),
    "erfinv": ((-0.8, 0.8),), "erfcinv": ((0.2, 1.8),), "expi": ((0.2, 3),), "spence": ((0.2, 4),),
    "i0": ((-3, 3),), "i1": ((-3, 3),), "i0e": ((0.3, 3),), "i1e": ((0.3, 3),),
    "betaln": ((0.4, 5), (0.4, 12)), "expn": (2.0, (0.3, 4)), "exprel": (1.0, (-2, 2)),
    "log1prel": (1.0, (-0.4, 4)), "ierfcx": (1.0, (-1, 3)), "jv": (2.0, (0.5, 9)),
    "yv": (2.0, (1.5, 9)), "iv": (2.0, (0.5, 4)), "ive": (2.0, (0.5, 4)), "kv": (2.0, (0.8, 4)),
    "kve": (2.0, (0.8, 4)), "zeta": (1.0, (1.8, 4), (0.7, 4)),
    "gammainc": (1.0, (0.7, 4), (0.5, 5)),
    "gammaincc": (0.0, (0.7, 4), (0.5, 5)), "betainc": ((0.7, 4), (0.7, 4), (0.2, 0.8)),
    "betainc_a": ((0.7, 4), (0.7, 4), (0.2, 0.8)), "betainc_b": ((0.7, 4), (0.7, 4), (0.2, 0.8)),
    "betainc_aa": ((0.7, 4), (0.7, 4), (0.2, 0.8)), "betainc_ab": ((0.7, 4), (0.7, 4), (0.2, 0.8)),
    "betainc_bb": ((0.7, 4), (0.7, 4), (0.2, 0.8)),
}  # fmt: skip
for _name, _ranges in _SPECIAL.items():
    # Third derivatives by the parameters of betainc do not exist here.
    _last = _name[-2:] in ("aa", "ab", "bb")
    for _shapes in (((), (), ()), ((5,), (5,), (5,)), ((2, 1), (3,), ())):
        _operands = [
            np.array(r) if isinstance(r, float) else _floats(*_s, low=r[0], high=r[1])
            for r, _s in zip(_ranges, _shapes, strict=False)
        ]
        _add(
            _name,
            *_operands,
            exact=special_exact.EXACT[_name],
            fixed=tuple(i for i, r in enumerate(_ranges) if isinstance(r, float))
            + ((0, 1) if _last else ()),
            smooth=_name not in ("betainc_a", "betainc_b"),
        )
        if len(_ranges) == 1 and _shapes[0] == (5,):
            break

# ---- rearrangements -----------------------------------------------------------------------------

_add("reshape", _floats(3, 4), shape=(2, 6))
_add("reshape", _floats(6), shape=(1, 3, 2, 1))
_add("reshape", _floats(), shape=(1, 1))
_add("reshape", np.zeros((0, 3)), shape=(3, 0))
_add("transpose", _floats(2, 3, 4), axes=(2, 0, 1))
_add("transpose", _floats(5), axes=(0,))
_add("transpose", _floats(), axes=())
_add("broadcast_to", _floats(3, 1), shape=(2, 3, 4), exact=lambda x: np.broadcast_to(x, (2, 3, 4)))
_add("broadcast_to", _floats(), shape=(3,), exact=lambda x: np.broadcast_to(x, (3,)))
_add("broadcast_to", _floats(1), shape=(0,), exact=lambda x: np.broadcast_to(x, (0,)))
_add("slice", _floats(7), starts=(1,), stops=(6,), steps=(2,))
_add("slice", _floats(4, 5, 3), starts=(1, 0, 2), stops=(4, 5, 3), steps=(1, 2, 1))
_add("slice", _floats(4), starts=(2,), stops=(2,), steps=(1,))
_add("slice_set", _floats(7), _floats(3), starts=(1,), stops=(6,), steps=(2,))
_add("slice_set", _floats(4), _floats(1), starts=(3,), stops=(4,), steps=(1,))
_add("slice_set", _floats(4), _floats(4), starts=(0,), stops=(4,), steps=(1,))
_add(
    "slice_set", _floats(4, 5, 3), _floats(3, 3, 1), starts=(1, 0, 2), stops=(4, 5, 3),
    steps=(1, 2, 1),
)  # fmt: skip
_add("slice_set", np.arange(6), np.array([-1, -2]), starts=(0,), stops=(4,), steps=(3,))
_add("pad", _floats(3), lows=(1,), highs=(2,), interiors=(0,))
_add("pad", _floats(2, 3), lows=(0, 1), highs=(1, 0), interiors=(2, 1))
_add("pad", np.zeros((0, 2)), lows=(1, 0), highs=(2, 1), interiors=(1, 0))
_add("flip", _floats(4), axes=(0,))
_add("flip", _floats(2, 3, 4), axes=(0, 2))
_add("concatenate", _floats(2), _floats(3), _floats(1), axis=0)
_add("concatenate", _floats(2, 3), _floats(2, 1), axis=1)
_add("concatenate", _floats(2, 3, 2), np.zeros((2, 0, 2)), _floats(2, 2, 2), axis=1)

# ---- indices ------------------------------------------------------------------------------------

_add("wrap_index", np.array([0, -1, 4, -5, 2]), bound=5)
_add("wrap_index", np.array(-1), bound=3)


def _gather_exact(x, positions):
    rows = [positions if positions.ndim == 1 else positions[o] for o in range(x.shape[0])]
    return np.stack([x[o][rows[o]] for o in range(x.shape[0])])


def _scatter_exact(x, positions, updates, add):
    y = np.array(np.broadcast_to(x, x.shape), np.result_type(x, updates))
    for o in range(x.shape[0]):
        for k, place in enumerate(positions if positions.ndim == 1 else positions[o]):
            y[o, place] = y[o, place] + updates[o, k] if add else updates[o, k]
    return y


for _positions in (np.array([2, 0, 2, 1]), np.array([[0, 3], [3, 3]]), np.array([-1, 1])):
    _add("gather", _floats(2, 4, 3), _positions, exact=_gather_exact)
    for _name, _adds in (("scatter_add", True), ("scatter_set", False)):
        _add(
            _name,
            _floats(2, 4, 3),
            _positions,
            _floats(2, _positions.shape[-1], 3),
            exact=lambda x, p, u, add=_adds: _scatter_exact(x, p, u, add),
        )
_add("gather", np.arange(6).reshape(1, 6, 1), np.array([5, 0]), exact=_gather_exact)

# ---- order --------------------------------------------------------------------------------------

_unsorted = np.array([[0.5, -0.0, np.nan, 0.0, -np.inf, 0.5], [3, 1, 2, np.inf, 1, -1]])
_many = np.array(_rng.integers(-9, 9, (2, 300)), np.float64)
_add("argsort", _unsorted, smooth=False)
_add("argsort", _many, smooth=False)
_add("argsort", np.sort(_many, 1), smooth=False)
_add("argsort", _floats(2, 0), smooth=False)
for _right in (False, True):
    _add("search", np.sort(_unsorted, 1), _unsorted[:, :5].copy(), smooth=False, right=_right)
    _add("search", np.sort(_many[:1], 1), _unsorted, smooth=False, right=_right)
    _add("search", _floats(2, 0), _unsorted, smooth=False, right=_right)
for _dtype in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
    _add("argsort", np.array([[5, 0, 3, 255, 3, 0, 1]]).astype(_dtype))
    _row = np.sort(np.array([[5, 0, 3, 127, 3]]).astype(_dtype), 1)
    _add("search", _row, np.array([[3, 0, 9], [5, 1, 127]]).astype(_dtype), right=True)

# ---- products and reductions --------------------------------------------------------------------

for _ta in (False, True):
    for _tb in (False, True):
        for _batch in ((), (2,), (2, 3)):
            _left = _floats(*_batch, *((4, 3) if _ta else (3, 4)))
            _right = _floats(*_batch, *((2, 4) if _tb else (4, 2)))
            _add("matmul", _left, _right, transpose_a=_ta, transpose_b=_tb)
_add("matmul", _floats(1, 5), _floats(5, 1), transpose_a=False, transpose_b=False)
_add("matmul", np.zeros((2, 0)), np.zeros((0, 3)), transpose_a=False, transpose_b=False)
_sparse = SparseMatrix.of(np.array([[0, 2.0, 0], [0.5, 0, -3], [0, 0, 0], [0, 1.5, 1]]))


def _sparse_exact(x):
    return np.tensordot(_sparse.dense().astype(x.dtype), x, 1)


for _shape in ((3,), (3, 2), (3, 2, 5), (3, 0), (3, 4, 3, 2)):
    _add("sparse_matmul", _floats(*_shape), matrix=_sparse, exact=_sparse_exact)
_other = SparseMatrix.of(np.array([[1.0, 2.0, 0], [0, 0, -1], [0, 0.5, 0], [0, 0, 1]]))


def _weighted_exact(x, *weights):
    pairs = zip(weights, (_sparse, _other), strict=True)
    return np.tensordot(sum(w[:, None] * a.dense().astype(x.dtype) for w, a in pairs), x, 1)


for _shape in ((3,), (3, 2), (3, 2, 5)):
    _weights = (np.linspace(-1, 2, 4), np.linspace(0.5, -0.7, 4))
    _add(
        "weighted_sparse_matmul", np.linspace(-1, 1, np.prod(_shape)).reshape(_shape), *_weights,
        matrices=(_sparse, _other), exact=_weighted_exact,
    )  # fmt: skip
_add("matmul", _floats(17, 33), _floats(33, 9), transpose_a=False, transpose_b=False)

# ---- linear algebra -----------------------------------------------------------------------------


_linalg_rng = np.random.default_rng(17)


def _entries(*shape):
    return _linalg_rng.uniform(-1.4, 1.4, shape)


def _regular(*shape):
    """Matrices whose rows must be exchanged, of modest condition."""
    n = shape[-1]
    return _entries(*shape) + 3 * np.eye(n)[:, ::-1]


def _definite(*shape):
    x = _entries(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


for _lead in ((), (3,), (2, 9)):
    for _n in (1, 4):
        _a = _regular(*_lead, _n, _n)
        _add("lu", _a, smooth=False)
        _add("inv", _a, exact=matrices.inverse)
        _add("cholesky", _definite(*_lead, _n, _n), exact=matrices.cholesky)
        _add("cofactors", _a, exact=matrices.cofactors)
        for _b_lead in {_lead, ()}:
            _b = _entries(*_b_lead, _n, 2)
            for _flag in (False, True):
                _add(
                    "lu_solve",
                    _a,
                    matrices.lu(_a),
                    _b,
                    transposed=_flag,
                    smooth=False,  # the first two belong together: see test_systems
                )
    _add("log_determinant", _entries(*_lead), _a, matrices.lu(_a), smooth=False)
    _add("determinant", _entries(*_lead), _a, smooth=False)
for _change in ({}, {"lower": False}, {"transposed": True}, {"unit": True}):
    _options = {"lower": True, "transposed": False, "unit": False, **_change}
    for _lead, _b_lead in (((), ()), ((3,), (3,)), ((), (2, 3)), ((3,), ())):
        _add(
            "triangular_solve",
            _entries(*_lead, 4, 4) + 3 * np.eye(4),
            _entries(*_b_lead, 4, 2),
            **_options,
            checked=False,
            exact=lambda t, b, options=_options: matrices.triangular(t, b, **options),
        )
_a = _regular(19, 19)
_add("lu", _a, smooth=False)
_add("inv", _a, exact=matrices.inverse)
_add("cholesky", _definite(35, 35), smooth=False)
_add("cofactors", np.zeros((2, 0, 0)))
_add("inv", np.zeros((0, 3, 3)))
_add("cholesky", np.zeros((2, 0, 0)))

for _lead in ((), (2,)):
    for _shape, _k in (((4, 3), 3), ((3, 4), 3), ((3, 3), 3), ((1, 1), 1)):
        _a = _entries(*_lead, *_shape)
        _exact = lambda a, k=_k: matrices.qr(a, k)  # noqa: E731
        _add("qr", _a, k=_k, exact=_exact)
        _add("singular_values", _a, exact=matrices.singular_values)
    _a = np.diag([3.0, 2, 1]) + np.zeros((*_lead, 1, 1))
    for _full in (False, True):
        _add("svd", _a, full=_full, smooth=False)
        _add("svd", _a[..., :2].copy(), full=_full, smooth=False)
    for _upper in (False, True):
        _add("eigh", _a, upper=_upper, smooth=False)
        _a = _entries(*_lead, 4, 4)
        _exact = lambda a, upper=_upper: matrices.eigenvalues_h(a, upper=upper)  # noqa: E731
        _add("eigenvalues_h", _a, upper=_upper, exact=_exact)
        _a = np.diag([3.0, 2, 1]) + np.zeros((*_lead, 1, 1))
    # NumPy's order of eigenvalues and ours are one, and stay so nearby.
    _a = np.random.default_rng(15).uniform(-0.6, 0.6, (*_lead, 4, 4))
    _a = _a + np.array([[1.0, 2, 0, 0], [-2, 1.3, 0, 0], [0, 0, 4, 0], [0, 0, 0, -2]])
    _add("eig", _a, exact=matrices.eig)
    _add("eigenvalues", _a, exact=lambda a: matrices.eig(a)[:2])
    for _size in (0.01, 0.2, 1.0, 4.0):
        _add("expm", _size * _entries(*_lead, 3, 3), exact=matrices.expm)
    _add("pseudoinverse", _entries(*_lead, 3, 4), _entries(*_lead, 4, 3), smooth=False)
    _add(
        "least_squares", *[_entries(*_lead, *s) for s in ((3, 2), (4, 3), (4, 2), (3, 4))],
        smooth=False,
    )  # fmt: skip
_add("qr", np.zeros((2, 0, 3)), k=0)
_add("expm", np.zeros((2, 0, 0)))

_AXES = (
    ((5,), (0,)),
    ((3, 4), (0,)),
    ((3, 4), (1,)),
    ((3, 4), (0, 1)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (1,)),
    ((3,), ()),
    ((2, 3, 2, 3), (1, 3)),
    ((1, 3, 1), (0, 2)),
)
for _name in ("sum", "prod", "max", "min"):
    for _shape, _chosen in _AXES:
        _add(_name, _floats(*_shape), axes=_chosen)
    for _dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        _add(_name, _SHIFTED.astype(_dtype), axes=(0,))
        _add(_name, _SHIFTED.astype(_dtype), axes=(1,))
for _shape, _chosen in _AXES:
    _add("logsumexp", _floats(*_shape), axes=_chosen)
    _add("log_softmax", _floats(*_shape), axes=_chosen)
    for _guarded in (False, True):
        _add("softmax", _floats(*_shape), axes=_chosen, guarded=_guarded)
for _name in ("max", "min"):
    _add(_name, np.array([[True, False], [False, False]]), axes=(1,))
    _add(_name, np.array([[True, False], [False, False]]), axes=(0,))
_add("sum", _floats(70, 40), axes=(0,))
_add("sum", _floats(70, 40), axes=(1,))
_add("sum", np.zeros((0, 3)), axes=(0,))
_add("prod", np.zeros((0, 3)), axes=(0,))
_add("prod", np.array([2.0, 0.0, 3.0]), axes=(0,))
_add("prod", np.array([[2.0, 0.0], [0.0, 3.0]]), axes=(0, 1))
for _name in ("argmax", "argmin"):
    for _shape, _axis in (((6,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1)):
        _add(_name, _floats(*_shape), axis=_axis)
    _add(_name, np.array([3, 1, 3, 1]), axis=0)
    _add(_name, np.array([1.0, np.nan, 5.0, np.nan]), axis=0, smooth=False)
for _name in ("cumsum", "cumprod"):
    for _reverse in (False, True):
        for _shape, _axis in (((6,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 2), 1), ((0, 2), 0)):
            _add(_name, _floats(*_shape), axis=_axis, reverse=_reverse)
    _add(_name, np.array([1, 2, 3], np.int32), axis=0, reverse=False)
_add("cumprod", np.array([2.0, 0.0, 3.0, 0.0, 1.5]), axis=0, reverse=False)

# ---- loops --------------------------------------------------------------------------------------


def _recurrence(dtype):
    """A body with one constant, two carries, one slice and one result: c = k a + x, b = a, y = a
    b."""
    with open_graph("recurrence") as body:
        k, a, b, x = (body.add_input((2,), dtype) for _ in range(4))
        body.close([e.add(e.multiply(k, a), x), a, e.multiply(a, e.sin(b))])
    return body


def _recurrence_exact(length, reverse):
    def exact(k, a, b, xs):
        ys = [None] * length
        for i in reversed(range(length)) if reverse else range(length):
            ys[i] = a * np.sin(b)
            a, b = k * a + xs[i], a
        return a, b, (np.stack(ys) if ys else np.zeros((0, 2)))

    return exact


for _length in (4, 1, 0):
    for _reverse in (False, True):
        _add(
            "scan",
            _floats(2),
            _floats(2),
            _floats(2),
            _floats(_length, 2),
            body=_recurrence("float64"),
            body_of=_recurrence,
            n_consts=1,
            n_carry=2,
            length=_length,
            reverse=_reverse,
            exact=_recurrence_exact(_length, _reverse),
        )

ALL = [sample for samples in SAMPLES.values() for sample in samples]
SMOOTH = [
    sample
    for sample in ALL
    if sample.smooth
    and sample.floating
    and not sample.primitive.stops
    and math.prod([max(sample.arrays[i].size, 0) for i in sample.floating])
    and all(sample.arrays[i].size <= 400 for i in sample.floating)
]
reduction_names = {
    n for n in primitives.names() if isinstance(primitives.find(n), reduction.Reduction)
}
