"""Logarithms of sums of exponentials, and the weights that they are differentiated by.

All reduce over ``axes``, a sorted tuple of non-negative axes, and are shifted by the largest
element, so that nothing overflows. They stay whole through differentiation, whose rules are short
because the weights of a log-sum-exp are a softmax; :mod:`pybackprop.passes.written_out` writes
them out before lowering, where value and derivative share the maximum, the exponentials and their
sum.
"""

import numpy as np

from .base import Primitive, is_selective, mark_selective, product, require_float
from .elementwise import multiply, subtract
from .reduction import Reduction, restore, sum_


def _finite(top):
    """The shift for rows that may be all -inf or hold inf: 0 where it is no number."""
    return np.where(np.isfinite(top), top, np.zeros((), top.dtype))


class LogSumExp(Reduction):
    """y = log(sum of exp(x)) over axes; -inf where all are -inf, with derivative 0 there."""

    name, kinds = "logsumexp", "f"

    def evaluate(self, x, *, axes):
        if any(x.shape[axis] == 0 for axis in axes):
            return None
        with np.errstate(all="ignore"):
            top = _finite(np.max(x, axis=axes, keepdims=True))
            total = np.sum(np.exp(x - top), axis=axes)
            return np.asarray(np.log(total) + top.reshape(total.shape), dtype=x.dtype)

    def jvp(self, tangents, operands, outputs, *, axes):
        weights = softmax(operands[0], axes=axes, guarded=True)
        return [sum_(multiply(tangents[0], weights), axes=axes)]

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        (ct,) = cotangents
        share = restore(ct, operands[0].shape, axes)
        if is_selective(ct):
            mark_selective(share)
        return [product(share, softmax(operands[0], axes=axes, guarded=True))]

    def lower(self, lowering, node):
        raise AssertionError("written out by pybackprop.passes.written_out")


class _Rowwise(Primitive):
    """Of the operand's shape, each element depending on all along ``axes``."""

    def infer(self, x, *, axes, **attributes):
        require_float(self.name, x)
        return x.shape, x.dtype

    def batch(self, operands, batched, size, *, axes, **attributes):
        return [self(operands[0], axes=tuple(axis + 1 for axis in axes), **attributes)]

    def lower(self, lowering, node):
        raise AssertionError("written out by pybackprop.passes.written_out")


class Softmax(_Rowwise):
    """y = exp(x) / sum of exp(x) over axes.

    Where all elements are -inf it is NaN, or 0 if ``guarded``, as the weights of a log-sum-exp.
    """

    name = "softmax"

    def evaluate(self, x, *, axes, guarded):
        if any(x.shape[axis] == 0 for axis in axes):
            return None
        with np.errstate(all="ignore"):
            top = np.max(x, axis=axes, keepdims=True)
            exponentials = np.exp(x - (_finite(top) if guarded else top))
            total = np.sum(exponentials, axis=axes, keepdims=True)
            if guarded:
                total = np.maximum(total, np.ones((), x.dtype))
            return np.asarray(exponentials / total, dtype=x.dtype)

    def jvp(self, tangents, operands, outputs, *, axes, guarded):
        (t,), (y,) = tangents, outputs
        mean = sum_(multiply(t, y), axes=axes)
        return [multiply(y, subtract(t, restore(mean, y.shape, axes)))]

    def vjp(self, cotangents, operands, outputs, wanted, *, axes, guarded):
        (ct,), (y,) = cotangents, outputs
        mean = sum_(product(ct, y), axes=axes)
        centred = subtract(ct, restore(mean, y.shape, axes))
        if is_selective(ct):
            mark_selective(centred)
        return [product(centred, y)]


class LogSoftmax(_Rowwise):
    """y = x - log(sum of exp(x)) over axes; NaN where all elements are -inf."""

    name = "log_softmax"

    def evaluate(self, x, *, axes):
        if any(x.shape[axis] == 0 for axis in axes):
            return None
        with np.errstate(all="ignore"):
            shifted = x - _finite(np.max(x, axis=axes, keepdims=True))
            total = np.sum(np.exp(shifted), axis=axes, keepdims=True)
            return np.asarray(shifted - np.log(total), dtype=x.dtype)

    def jvp(self, tangents, operands, outputs, *, axes):
        (t,), (x,) = tangents, operands
        mean = sum_(multiply(t, softmax(x, axes=axes, guarded=True)), axes=axes)
        return [subtract(t, restore(mean, x.shape, axes))]

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        (ct,), (x,) = cotangents, operands
        total = restore(sum_(ct, axes=axes), x.shape, axes)
        if is_selective(ct):
            mark_selective(total)
        spread = product(total, softmax(x, axes=axes, guarded=True))
        result = subtract(ct, spread)
        return [mark_selective(result) if is_selective(ct) else result]


logsumexp, softmax, log_softmax = LogSumExp(), Softmax(), LogSoftmax()
