from collections.abc import Callable, Sequence
from os import PathLike
from typing import IO, Any, Literal, ParamSpec, TypeAlias, TypeVar, overload

from . import errors as errors
from . import linalg as linalg
from . import numpy as numpy
from . import optim as optim
from . import special as special
from . import stats as stats
from ._core import __version__ as __version__
from .compiled import Compiled
from .explanation import Explanation
from .handmade import Graph as Graph
from .serialize import Loaded

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S")
_Carry = TypeVar("_Carry")
_Y = TypeVar("_Y")
_Numbers: TypeAlias = int | tuple[int, ...]
_Backend: TypeAlias = Literal["auto", "interpreter", "native"]
_File: TypeAlias = str | PathLike[str] | IO[bytes]

__all__ = [
    "Graph", "__version__", "check_grads", "compile", "errors", "explain", "grad", "hessian",
    "hvp", "jacobian", "jvp", "linalg", "load", "numpy", "optim", "relu", "save", "scan", "sigmoid",
    "softplus", "special", "stats", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

@overload
def compile(
    function: Callable[_P, _R],
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, _R]: ...
@overload
def compile(
    function: None = None,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Callable[[Callable[_P, _R]], Compiled[_P, _R]]: ...
@overload
def value_and_grad(
    function: Callable[_P, _R],
    argnums: _Numbers = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, tuple[_R, Any]]: ...
@overload
def value_and_grad(
    function: None = None,
    argnums: _Numbers = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Callable[[Callable[_P, _R]], Compiled[_P, tuple[_R, Any]]]: ...
@overload
def grad(
    function: Callable[_P, _R],
    argnums: _Numbers = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, Any]: ...
@overload
def grad(
    function: None = None,
    argnums: _Numbers = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Callable[[Callable[_P, _R]], Compiled[_P, Any]]: ...
@overload
def jacobian(
    function: Callable[_P, _R],
    argnums: _Numbers = 0,
    mode: Literal["auto", "forward", "reverse"] = "auto",
    sparse: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, Any]: ...
@overload
def jacobian(
    function: None = None,
    argnums: _Numbers = 0,
    mode: Literal["auto", "forward", "reverse"] = "auto",
    sparse: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Callable[[Callable[_P, _R]], Compiled[_P, Any]]: ...
@overload
def vmap(
    function: Callable[_P, _R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, Any]: ...
@overload
def vmap(
    function: None = None,
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Callable[[Callable[_P, _R]], Compiled[_P, Any]]: ...
def hessian(
    function: Callable[_P, Any],
    argnums: _Numbers = 0,
    sparse: bool = False,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[_P, Any]: ...
def hvp(
    function: Callable[..., Any],
    argnums: _Numbers = 0,
    holomorphic: bool = False,
    *,
    backend: _Backend = ...,
    threads: int = ...,
    static_argnums: _Numbers = ...,
) -> Compiled[..., Any]: ...
def jvp(
    function: Callable[..., _R], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[_R, _R]: ...
def vjp(
    function: Callable[..., _R], *primals: Any
) -> tuple[_R, Callable[[Any], tuple[Any, ...]]]: ...
def scan(
    f: Callable[[_Carry, Any], tuple[_Carry, _Y]],
    init: _Carry,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[_Carry, _Y]: ...
def stop_gradient(tree: _S) -> _S: ...
def explain(fn: Callable[..., Any], *args: Any, max_paths: int = 100) -> Explanation: ...
def check_grads(
    fn: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: str | Sequence[str] = ("forward", "reverse"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    *,
    seed: int = 0,
) -> None: ...
def save(compiled: Compiled[..., Any] | Loaded, file: _File, *, graph: bool = True) -> None: ...
def load(file: _File | bytes) -> Loaded: ...
def relu(x: Any) -> Any: ...
def sigmoid(x: Any) -> Any: ...
def softplus(x: Any) -> Any: ...
