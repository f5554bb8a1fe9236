"""Which of NumPy's names work on traced values, found out by calling each; writes a page of docs.

Run from the project's folder::

    python tools/numpy_coverage.py            # writes docs/numpy-coverage.md
    python tools/numpy_coverage.py --count    # prints how many names there are of each kind

Every name has a sample below, an expression in ``a``, a traced (3, 4) array of floats, or in what
stands in :data:`NAMES`. Nothing is claimed that the sample does not show: *derivative* means that
forward and reverse mode agree with central differences of NumPy's own function.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import pybackprop as bp
import pybackprop.numpy as bnp

PAGE = Path(__file__).resolve().parent.parent / "docs" / "numpy-coverage.md"
DERIVATIVE, VALUES, PLAIN, MAKES, NOT = (
    "derivative", "values", "plain arrays", "makes or describes arrays", "no",
)  # fmt: skip
_rng = np.random.default_rng(11)
A = _rng.uniform(0.2, 0.9, (3, 4))
NAMES = {
    "np": np, "bnp": bnp, "S": _rng.normal(size=(3, 3)) + 3 * np.eye(3),
    "W": _rng.normal(size=(3, 4)), "V": _rng.normal(size=4), "I": np.array([2, 0, 1]),
    "M": np.array([True, False, True, True]), "K": np.array([0.0, 0.3, 0.7, 1.0]),
    "H": np.array([1.0, 3.0, 2.0, 2.5]),
}  # fmt: skip

# Expressions for names that are more than np.name(a).
SAMPLES = """
allclose(a, W) append(a, W) apply_along_axis(np.sum, 0, a) apply_over_axes(np.sum, a, [0])
argpartition(a, 1) array_equal(a, W) array_equiv(a, W) array_split(a, 2)
astype(a * a, np.float64) average(a, 0, W**2) block([a, a]) broadcast_arrays(a, V)
broadcast_to(a, (2, 3, 4)) choose(I, a[:, :3]) clip(a, 0.3, 0.6) column_stack([a[0], a[1]])
compress(M, a, 1) concat([a, a]) concatenate([a, W]) convolve(a[0], V) corrcoef(a[:2])
correlate(a[0], V) cross(a[0, :3], V[:3]) cumulative_prod(a, axis=0) cumulative_sum(a, axis=0)
delete(a, 1, 0) diag(a) diag_indices_from(a[:, :3]) digitize(a, K) dot(a, W.T) dsplit(a[None], 2)
einsum('ij,ij->i', a, W) einsum_path('i,i->',V,V) expand_dims(a, 0) extract(W > 0, a)
full((2,), 3.0) full_like(a, 2.0) geomspace(1, 4, 3) gradient(a, axis=0)
histogram(a, 3) histogram2d(a[0], a[1], 2) histogram_bin_edges(a, 3) histogramdd(a, 2)
hsplit(a, 2) inner(a, W) insert(a, 1, 2.0, 0) interp(a, K, H) isclose(a, W) isin(a, K) ix_(I, I)
kron(a, W) lexsort((a[0], a[1])) linspace(a[0], a[1], 3) matrix_transpose(a) meshgrid(a[0], a[1])
matmul(a, W.T) matvec(a, V) moveaxis(a, 0, 1) outer(a[0], V) pad(a, 1) partition(a, 1)
percentile(a, 30, 0) permute_dims(a, (1, 0)) nanpercentile(a, 30, 0) nanquantile(a, 0.3, 0)
piecewise(a, [a > 0.5], [np.sin, 1.0]) polyadd(a[0], V) polyder(a[0]) polydiv(a[0], V[:2])
polyfit(K, a[0], 2) polyint(a[0]) polymul(a[0], V) polysub(a[0], V) polyval(a[0], V)
poly(a[0])
quantile(a, 0.3, 0)
ravel_multi_index((np.argmax(a, 0), np.argmin(a, 0)), (3, 4)) repeat(a, 2) require(a) reshape(a, 12)
resize(a, (2, 5)) roll(a, 1) rollaxis(a, 1) roots(a[0]) searchsorted(K, a) select([a > 0.5], [a])
setdiff1d(a, K) intersect1d(a, K) union1d(a, K) setxor1d(a, K) split(a, 2, 1) stack([a, a])
swapaxes(a, 0, 1) take(a, I, 0) take_along_axis(a, np.argsort(a), 1) tensordot(a, W.T, 1)
tile(a, 2) trapezoid(a) trim_zeros(a[0]) unravel_index(np.argmax(a, 0), (3, 4)) unwrap(a * 9)
vander(a[0]) vdot(a, W) vecdot(a, W) vecmat(a[:, 0], a) vsplit(a, 3) where(a > 0.5, a, W)
hstack([a, a]) vstack([a, a]) dstack([a, a]) row_stack([a, a]) isscalar(a) common_type(a)
atan2(a, W) arctan2(a, W) hypot(a, W) logaddexp(a, W) logaddexp2(a, W) copysign(a, W)
nextafter(a, W) heaviside(a, W) maximum(a, W) minimum(a, W) fmax(a, W) fmin(a, W) add(a, W)
subtract(a, W) multiply(a, W) divide(a, W) true_divide(a, W) floor_divide(a, W) remainder(a, W)
mod(a, W) fmod(a, W) divmod(a, W) power(a, W) pow(a, W) float_power(a, W) equal(a, W)
not_equal(a, W) less(a, W) less_equal(a, W) greater(a, W) greater_equal(a, W)
logical_and(a, W) logical_or(a, W) logical_xor(a, W) ldexp(a, 2) vectorize(np.sin)(a)
bitwise_and(np.argsort(a), 1) bitwise_or(np.argsort(a), 1) bitwise_xor(np.argsort(a), 1)
bitwise_not(np.argsort(a)) bitwise_invert(np.argsort(a)) invert(np.argsort(a))
bitwise_count(np.argsort(a)) bitwise_left_shift(np.argsort(a), 1)
bitwise_right_shift(np.argsort(a), 1) left_shift(np.argsort(a), 1) right_shift(np.argsort(a), 1)
gcd(np.argsort(a), 2) lcm(np.argsort(a), 2) packbits(a > 0.5)
unpackbits(np.argsort(a).astype(np.uint8)) bincount(np.argsort(a[0]), minlength=4)
acosh(1 + a) arccosh(1 + a) isnat(a) cov(a) compress(M, a, 1)
may_share_memory(a, a) shares_memory(a, a) save('f', a) savez('f', a) savez_compressed('f', a)
savetxt('f', a) array2string(a) array_repr(a) array_str(a) from_dlpack(a) tril_indices_from(a)
triu_indices_from(a) can_cast(a, np.float64) result_type(a, W) shape(a) size(a) ndim(a)
rot90(a) where(a > 0.5, a, W) angle(a) block([a, a])
"""
# Those that write in place: the rest of the call.
IN_PLACE = {
    "copyto": "W", "fill_diagonal": "1.0", "place": "W > 0, [1.0]", "put": "0, 1.0",
    "put_along_axis": "I[:, None], 1.0, 1", "putmask": "W > 0, 1.0",
}  # fmt: skip
LINALG = """
cond(S*a[0,0]+S) cross(a[0, :3], V[:3]) det(a[:, :3]) diagonal(a) eig(a[:, :3])[0]
eigh(a[:, :3])[1]**2
eigvals(a[:, :3]) eigvalsh(a[:, :3]) cholesky(a[:, :3] @ a[:, :3].T + np.eye(3)) inv(a[:, :3])
lstsq(W, a[:, 0]) matmul(a, W.T) matrix_norm(a) matrix_power(a[:, :3], 2) matrix_rank(a)
matrix_transpose(a) multi_dot([a, W.T, W]) norm(a) outer(a[0], V) pinv(a) qr(a[:, :3])
slogdet(a[:, :3]) solve(S, a) svd(a, compute_uv=False) svdvals(a) tensordot(a, W.T, axes=1)
tensorinv(a[:, :3], 1) tensorsolve(S, a[:, 0]) trace(a) vecdot(a, W) vector_norm(a)
"""
METHODS = """
argpartition(1) astype(np.float64) choose(a[:, :3]) clip(0.3, 0.6) compress([True, False, True], 0)
diagonal() dot(W.T) fill(1.0) partition(1) put(0, 1.0) repeat(2) reshape(12) resize(2)
searchsorted(K) swapaxes(0, 1) take(I, 0) view() item(0) byteswap() getfield(float) to_device('cpu')
setfield(1, float) setflags(write=False) tofile('f')
"""
# What works on the axes of a cube or on integers, so that a.method() alone does not show it.
_METHOD_OF = {"searchsorted": "a[0]", "choose": "np.argsort(a, 0)[:, :3]"}

# Of plain arguments by nature: no traced value could mean anything there.
MAKING = set(
    "arange asarray_chkfinite base_repr binary_repr broadcast_shapes bartlett blackman hamming "
    "hanning kaiser diag_indices empty eye frombuffer fromfile fromfunction fromiter frompyfunc "
    "fromregex fromstring genfromtxt loadtxt load geomspace get_include get_printoptions "
    "getbufsize geterr geterrcall identity indices info isdtype issubdtype iterable linspace_ "
    "logspace mask_indices min_scalar_type mintypecode ones printoptions promote_types "
    "set_printoptions setbufsize seterr seterrcall show_config show_runtime tri tril_indices "
    "triu_indices typename zeros format_float_positional format_float_scientific einsum_path "
    "full asmatrix bmat nested_iters from_dlpack fftfreq rfftfreq".split()
)
REASONS = {
    "busday_count": "dates", "busday_offset": "dates", "is_busday": "dates", "isnat": "dates",
    "datetime_as_string": "dates", "datetime_data": "dates", "test": "NumPy's own tests",
    "asmatrix": "matrices of numpy.matrix are not supported", "bmat": "as asmatrix",
    "ctypes": "memory", "base": "memory", "data": "memory", "flags": "memory",
    "strides": "memory", "byteswap": "memory", "getfield": "memory", "setfield": "memory",
    "setflags": "memory", "nested_iters": "memory", "isfortran": "memory", "device": "devices",
    "to_device": "devices",
}  # fmt: skip


def _expressions(text, prefix):
    result, line, depth = {}, "", 0
    for character in " ".join(text.split()) + " ":
        depth += (character in "([{") - (character in ")]}")
        if character == " " and depth == 0:
            if line:
                result[line[: line.index("(")]] = prefix + line
            line = ""
        else:
            line += character
    return result


def _public(module):
    names = getattr(module, "__all__", None) or dir(module)
    return sorted(
        n for n in names
        if not n.startswith("_") and callable(getattr(module, n))
        and not isinstance(getattr(module, n), type)
    )  # fmt: skip


def subjects():
    """(section, name, expression) of every public name."""
    for title, module, prefix, text in (
        ("Functions and ufuncs", np, "np.", SAMPLES),
        ("numpy.linalg", np.linalg, "np.linalg.", LINALG),
        ("numpy.fft", np.fft, "np.fft.", ""),
    ):
        given = _expressions(text, prefix)
        for name in _public(module):
            default = f"{prefix}{name}(a)"
            if module is np and name in IN_PLACE:
                default = f"(lambda b: np.{name}(b, {IN_PLACE[name]}) or b)(a * 1.0)"
            if module is np and name == "array":
                default = "bnp.array([a[0, 0], a[1, 1] ** 2])"
            yield title, name, given.get(name, default)
    given = _expressions(METHODS, "")
    for name in sorted(n for n in dir(np.ndarray) if not n.startswith("_")):
        of = _METHOD_OF.get(name, "a")
        plain = not callable(getattr(np.ndarray, name))
        call = given.get(name, name if plain else f"{name}()")
        if name in ("partition", "put", "fill", "sort"):
            yield "ndarray", name, f"(lambda b: b.{call} or b)({of} * 1.0)"
        else:
            yield "ndarray", name, f"{of}.{call}"


def _floats(result):
    if isinstance(result, (tuple, list)):
        return [leaf for item in result for leaf in _floats(item)]
    if hasattr(result, "_fields"):
        return _floats(tuple(result))
    dtype = getattr(result, "dtype", None)
    return [result] if dtype is not None and dtype.kind in "fc" else []


def _total(function):
    def total(a):
        parts = _floats(function(a))
        result = 0.0 * a[0, 0]
        for place, p in enumerate(parts):
            weights = np.cos(np.arange(np.size(p)) + place).reshape(np.shape(p))
            p = np.real(p) + np.imag(p) if p.dtype.kind == "c" else p
            result = result + np.sum(p * weights)
        return result

    return total


def classify(name, expression):
    """One of the kinds, and a reason or an empty string."""
    if name in REASONS:
        return NOT, REASONS[name]
    if name in MAKING:
        ours = getattr(bnp, name, None) or getattr(getattr(bnp, "fft", None), name, None)
        return (MAKES, "") if callable(ours) else (NOT, "")
    code = compile(expression, name, "eval")

    def function(a):
        return eval(code, {**NAMES, "a": a})

    kept = []

    def traced(a):
        result = function(a)
        kept.append(result)
        leaves = [x for x in _flat(result) if isinstance(x, bp.graph.Value)]
        return leaves or a[0, 0]

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            bp.compile(traced)(A)
        except bp.errors.ControlFlowError as error:
            return PLAIN, str(error).split("; ")[-1].replace("\n", " ")
        except (bp.errors.PybackpropError, AttributeError, TypeError) as error:
            return NOT, "" if isinstance(error, AttributeError) else _short(error)
        if not any(isinstance(x, bp.graph.Value) for x in _flat(kept[-1])):
            return VALUES, ""
        if not _floats(kept[-1]):
            return VALUES, ""
        try:
            return _slopes(function)
        except Exception as error:
            raise RuntimeError(f"the sample {expression} is none of NumPy's") from error


def _short(error):
    text = str(error).split(": ", 1)[-1]
    if "compose it of functions" in text:
        return "not there yet"
    return text.split("; ")[-1].replace("\n", " ")[:100]


def _slopes(function):
    total = _total(function)
    direction = np.sin(np.arange(12.0) ** 2 + 0.5).reshape(3, 4)
    try:
        forward = bp.jvp(total, (A,), (direction,))[1]
        reverse = np.sum(bp.grad(total)(A) * direction)
    except bp.errors.PybackpropError as error:
        return VALUES, _short(error)
    h = 1e-6
    wanted = (total(A + h * direction) - total(A - h * direction)) / (2 * h)
    if not np.allclose([forward, reverse], wanted, rtol=1e-4, atol=1e-6):
        return VALUES, f"slopes {forward}, {reverse} but {wanted} by differences"
    return (DERIVATIVE if abs(wanted) > 1e-9 else VALUES), ""


def _flat(result):
    if isinstance(result, (tuple, list)):
        return [leaf for item in result for leaf in _flat(item)]
    return [result]


def rows():
    """(section, name, expression, kind, reason) of every public name."""
    return [(s, n, e, *classify(n, e)) for s, n, e in subjects()]


def counts(table):
    """How many names each section has of each kind."""
    result = {}
    for section, _, _, kind, _ in table:
        result.setdefault(section, {}).setdefault(kind, 0)
        result[section][kind] += 1
    return result


_HEAD = """# NumPy's names

Every public name of NumPy {version}, and what it does on traced values. Written by
`python tools/numpy_coverage.py`, which calls each; `tests/numpy/test_coverage.py` keeps it true.

* **derivative**: traced, with derivatives in both modes to any order.
* **values**: traced; the result is of integers or truth values, or changes in steps.
* **plain arrays**: the shape of the result depends on the data, or it leaves Python; works on
  plain arrays, and on traced ones says what to write instead.
* **makes or describes arrays**: its arguments are no arrays or it makes constants; works inside
  traced functions as outside.
* **no**: refused by an error that names it.

{table}

Of the {total} functions and ufuncs of `numpy`, {traced} take traced arrays ({derivative} with
derivatives) and {named} are there by name. `jax.numpy` 0.10.2 has {jax} of these by name.
"""
JAX_NAMES = 343


def page(table):
    """The page as text."""
    kinds = (DERIVATIVE, VALUES, PLAIN, MAKES, NOT)
    number = counts(table)
    lines = ["| | " + " | ".join(kinds) + " |", "| --- " * 6 + "|"]
    for section, found in number.items():
        cells = " | ".join(str(found.get(k, 0)) for k in kinds)
        lines.append(f"| {section} | {cells} |")
    main = number["Functions and ufuncs"]
    total = sum(main.values())
    text = _HEAD.format(
        version=np.__version__, table="\n".join(lines), total=total, jax=JAX_NAMES,
        traced=main.get(DERIVATIVE, 0) + main.get(VALUES, 0), derivative=main.get(DERIVATIVE, 0),
        named=total - main.get(NOT, 0),
    )  # fmt: skip
    for section in number:
        text += f"\n## {section}\n\n| name | | shown by, or why not |\n| --- | --- | --- |\n"
        for where, name, expression, kind, reason in table:
            if where == section:
                shown = "" if kind == MAKES else reason or f"`{expression}`"
                text += f"| `{name}` | {kind} | {shown.replace('|', chr(92) + '|')} |\n"
    return text


if __name__ == "__main__":
    found = rows()
    if "--count" in sys.argv:
        for section, kinds in counts(found).items():
            print(section, kinds)
    else:
        PAGE.write_text(page(found), "utf-8")
