"""0-d, empty and one-element arrays of several dtypes: NumPy's result, or an error as it has."""

import warnings

import numpy as np
import pytest

import pybackprop as bp

SHAPES = [(), (0,), (1,), (0, 3), (3, 0), (2, 3)]
_rng = np.random.default_rng(13)
ARRAYS = [
    _rng.integers(1, 9, shape).astype(dtype)
    for dtype in ("float64", "float32", "uint8", "bool")
    for shape in SHAPES
]
REDUCTIONS = "sum prod mean var std max min any all argmax argmin ptp median nanmax nansum".split()
EXPRESSIONS = [
    f"np.{name}({arguments})"
    for name in REDUCTIONS
    for arguments in ("a", "a, axis=0", "a, axis=-1, keepdims=True")
] + [
    f"np.{name}.{call}"
    for name in ("add", "maximum", "logical_or", "logaddexp", "bitwise_or", "subtract", "hypot")
    for call in ("reduce(a)", "reduce(a, None, keepdims=True)", "accumulate(a)", "outer(a, a)")
] + """
np.count_nonzero(a, -1) np.sort(a, 0) np.sort(a, None) np.argsort(a, kind='stable') np.cumsum(a)
np.cumsum(a, 0) np.cumulative_sum(a) np.diff(a) np.ediff1d(a) np.trapezoid(a)
np.unwrap(a) np.unwrap(a, axis=0) np.squeeze(a) np.squeeze(a, 0) np.repeat(a, 3, 0) np.repeat(a, 0)
np.tile(a, (2, 0)) np.roll(a, 1) np.flip(a) np.resize(a, (2, 5)) np.pad(a, 1, 'edge') np.pad(a, 2)
np.take(a, [0, 0]) np.searchsorted([1, 3], a) np.digitize(a, [1, 3])
np.histogram(a, 3, (0, 5)) np.dot(a, 2) np.dot(a, a)
np.interp(a, [0, 1, 3], [1.0, 2, 0]) np.delete(a, 0) np.insert(a, 0, 5) np.append(a, 1.5)
np.quantile(a, 0.4) np.convolve(a, [1, 2]) np.correlate(a, [1, 2], 'full') np.polyval(a, 2)
np.polyval([1, 2], a) np.polyder(a) np.vander(a, 3) np.isin(a, [1, 2]) np.tril(a) np.diag(a)
np.trace(a) np.einsum('...i->...', a) np.outer(a, a) np.kron(a, a) np.inner(a, a) np.vdot(a, a)
np.apply_along_axis(np.sum, 0, a) np.block([a, a]) np.lexsort((a, a)) np.select([a > 1], [a], 7)
np.modf(a) np.nan_to_num(a) np.cov(a) np.atleast_3d(a) np.sinc(a)
""".split("\n")  # fmt: skip
EXPRESSIONS = [e for text in EXPRESSIONS for e in text.replace(") np.", ")\nnp.").split("\n") if e]


def arrays_of(result):
    if isinstance(result, (tuple, list)):
        return [x for item in result for x in arrays_of(item)]
    return [np.asarray(result)]


@pytest.mark.parametrize("part", range(6))
def test_small(part):
    wrong = []
    for expression in EXPRESSIONS[part::6]:
        code = compile(expression, expression, "eval")
        for array in ARRAYS:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    wanted = arrays_of(eval(code, {"np": np, "a": array}))
                except Exception:
                    wanted = None
                try:
                    found = arrays_of(
                        bp.compile(lambda a, code=code: eval(code, {"np": np, "a": a}))(array)
                    )
                except Exception as error:
                    found = error
            if wanted is None:
                right = isinstance(found, Exception)
            elif any(w.dtype == np.float16 for w in wanted):
                continue
            else:
                right = isinstance(found, list) and len(found) == len(wanted) and all(
                    f.dtype == w.dtype and f.shape == w.shape
                    and np.allclose(f, w, rtol=1e-5, atol=1e-6, equal_nan=True)
                    for f, w in zip(found, wanted, strict=True)
                )  # fmt: skip
            if not right:
                wrong.append((expression, array.dtype, array.shape, found, wanted))
    assert wrong == []
