from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from ._core import Bound, Function, Tape
from .graph import Graph

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)

class Compiled(Function, Generic[_P, _R]):
    __wrapped__: Callable[_P, _R]
    __name__: str
    def __init__(
        self,
        function: Callable[_P, _R],
        *,
        backend: Literal["auto", "interpreter", "native"] = "auto",
        threads: int = 1,
        static_argnums: int | tuple[int, ...] = (),
    ) -> None: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def bind(self, *args: Any, out: Any = None, **kwargs: Any) -> Bound: ...
    def lower(self, *args: Any, **kwargs: Any) -> Any: ...
    def export_c(self, folder: str | PathLike[str], name: str) -> Path: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def tape(self) -> Tape: ...
    @property
    def memory(self) -> Any: ...
    @property
    def cost(self) -> int: ...
