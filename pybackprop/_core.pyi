from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[Any]
_Leaf: TypeAlias = tuple[str, np.dtype[Any] | None, tuple[int, ...]]

__version__: str

@final
class Tape:
    def __new__(cls, data: bytes | bytearray | memoryview) -> Tape: ...
    @property
    def data(self) -> bytes: ...
    @property
    def inputs(self) -> tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]: ...
    @property
    def outputs(self) -> tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_instructions(self) -> int: ...
    @property
    def n_loops(self) -> int: ...
    @property
    def reverse_start(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, number: int) -> None: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def cost(self) -> int: ...
    @property
    def library(self) -> Any: ...
    def attach(self, address: int, arena_bytes: int, library: object) -> None: ...
    def to_bytes(self) -> bytes: ...
    def run(
        self, inputs: Iterable[ArrayLike], outputs: Iterable[_Array] | None = None
    ) -> list[_Array]: ...

class Tree:
    def __init__(self, spec: tuple[Any, ...]) -> None: ...
    @property
    def spec(self) -> tuple[Any, ...]: ...
    @property
    def n_leaves(self) -> int: ...
    def unflatten(self, leaves: Iterable[Any]) -> Any: ...
    def collect(self, value: object) -> list[Any]: ...
    def describe(self) -> Any: ...
    @staticmethod
    def from_description(data: object) -> Tree: ...
    def __hash__(self) -> int: ...

class Signature:
    def __init__(self, tree: Tree, leaves: tuple[_Leaf, ...]) -> None: ...
    @property
    def tree(self) -> Tree: ...
    @property
    def leaves(self) -> tuple[_Leaf, ...]: ...
    @property
    def n_leaves(self) -> int: ...
    def unflatten(self, leaves: Iterable[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]: ...
    def collect(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]: ...
    def __hash__(self) -> int: ...

@final
class Static:
    def __init__(self, value: object) -> None: ...
    @property
    def value(self) -> Any: ...
    def __hash__(self) -> int: ...

@final
class Entry:
    info: Any
    def __init__(
        self,
        signature: Signature,
        tape: Tape,
        out_tree: Tree,
        leaf_inputs: Iterable[int],
        out_kinds: Iterable[tuple[str, Any]],
        constants: Mapping[int, _Array] | None = None,
        info: object = None,
    ) -> None: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def tape(self) -> Tape: ...
    @property
    def out_tree(self) -> Tree: ...
    @property
    def leaf_inputs(self) -> tuple[int, ...]: ...
    @property
    def out_kinds(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def constants(self) -> dict[int, _Array]: ...
    def call(self, leaves: Iterable[Any]) -> Any: ...

class Function:
    def __new__(cls, *args: Any, **kwargs: Any) -> Any: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def _miss(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...
    def _add_entry(self, entry: Entry) -> None: ...
    def _clear_entries(self) -> None: ...
    @property
    def _entries(self) -> tuple[Entry, ...]: ...

@final
class Bound:
    def __new__(
        cls, tape: Tape, inputs: Iterable[_Array], outputs: Iterable[_Array], result: object
    ) -> Bound: ...
    @property
    def tape(self) -> Tape: ...
    @property
    def inputs(self) -> tuple[_Array, ...]: ...
    @property
    def outputs(self) -> tuple[_Array, ...]: ...
    @property
    def result(self) -> Any: ...
    def __call__(self) -> Any: ...

def flatten(
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    static: Container[int | str] = ...,
) -> tuple[Signature, list[Any]]: ...
def flatten_tree(value: object) -> tuple[Tree, list[Any]]: ...
def instruction_table() -> list[dict[str, Any]]: ...
def instruction_set() -> str: ...

class Node:
    primitive: Any
    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    outputs: tuple[Any, ...]
    graph: Any
    location: tuple[Any, int] | None
    def __init__(
        self,
        primitive: object,
        operands: tuple[Any, ...],
        attributes: dict[str, Any],
        graph: object,
        location: tuple[Any, int] | None,
    ) -> None: ...

class ValueBase:
    def __init__(
        self,
        node: Node,
        index: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        weak: bool = False,
    ) -> None: ...
    @property
    def node(self) -> Node: ...
    @property
    def index(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def weak(self) -> bool: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def graph(self) -> Any: ...

class PrimitiveBase:
    joint: bool
    def __call__(self, *operands: Any, **attributes: Any) -> Any: ...

class GraphBase:
    nodes: list[Node]
    table: dict[str, Any]
    rewrites: tuple[Any, ...]
    location: tuple[Any, int] | None
    locate: bool
    handles: bool
    def add(
        self, primitive: PrimitiveBase, operands: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[Any, ...]: ...

class LocalPass:
    def __call__(
        self,
        graph: GraphBase,
        primitive: PrimitiveBase,
        operands: tuple[Any, ...],
        attributes: dict[str, Any],
    ) -> Any: ...

class OfConstants(LocalPass):
    def __init__(self, function: Callable[..., Any]) -> None: ...

class ByPrimitive(LocalPass):
    def __init__(
        self,
        rules: dict[Any, Callable[..., Any]],
        makers: dict[Any, frozenset[Any]],
        broadcasting: tuple[type, ...],
        broadcast: object,
        narrowed: Callable[..., Any],
    ) -> None: ...

class Equal(LocalPass): ...

class Sweep:
    records: list[tuple[Any, ...]]

class Memory:
    def __init__(self, top: int) -> None: ...
    @property
    def top(self) -> int: ...
    def take(self, size: int) -> int: ...
    def give(self, address: int, size: int) -> None: ...

def rounded(size: int) -> int: ...

class Slot:
    value: Any
    ref: Any
    summing: bool
    started: bool
    zero_first: bool
    zeroed: bool
    delivered: set[Any]
    def __init__(self, value: object, summing: bool, zero_first: bool = False) -> None: ...

class Target:
    slot: Slot | None
    ref: Any
    operand: Any
    views: tuple[Callable[..., Any], ...]
    partial: bool
    def __init__(
        self,
        slot: Slot | None = None,
        ref: object = None,
        operand: object = None,
        views: tuple[Callable[..., Any], ...] = (),
        partial: bool = False,
    ) -> None: ...
    def through(self, view: Callable[..., Any], partial: bool = False) -> Target: ...

class StorageBase:
    instructions: list[Instruction]
    refs: dict[Any, Any]
    scope: Any
    local: Any

def find_uses(nodes: list[Node]) -> tuple[dict[Any, list[Node]], dict[Node, int]]: ...
def bodies(nodes: list[Node]) -> list[Any]: ...
def has_complex(graph: GraphBase) -> bool: ...
def has_long_axis(nodes: list[Node], least: int) -> bool: ...
def reshape_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], new_shape: tuple[int, ...], itemsize: int
) -> tuple[int, ...] | None: ...
def find_lives(instructions: list[Instruction], loops: list[Any]) -> list[Root]: ...
def give_addresses(
    instructions: list[Instruction], roots: list[Root], top: int, in_place: set[str]
) -> int: ...

class Root:
    kind: str
    size: int
    number: int
    data: bytes | None
    parent: Any
    offset: int
    bump: int
    loop: Any
    address: int
    base: int | None
    first: int
    last: int
    home: Any
    pinned: bool
    version: int
    def __init__(
        self,
        kind: str,
        size: int,
        number: int = 0,
        data: bytes | None = None,
        parent: Root | None = None,
        offset: int = 0,
        bump: int = 0,
        loop: object = None,
    ) -> None: ...
    def ultimate(self) -> Root: ...

class RefBase:
    root: Root
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    truth: bool
    ahead: int
    def __init__(
        self,
        root: Root,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: np.dtype[Any],
        truth: bool = False,
        ahead: int = 0,
    ) -> None: ...
    @property
    def size(self) -> int: ...
    def broadcasted(self, shape: tuple[int, ...]) -> RefBase: ...
    def is_contiguous(self) -> bool: ...

class Instruction:
    op: str
    d: RefBase | None
    a: RefBase | None
    b: RefBase | None
    c: RefBase | None
    flags: int
    params: Any
    loop: Any
    def __init__(
        self,
        op: str,
        d: RefBase | None = None,
        a: RefBase | None = None,
        b: RefBase | None = None,
        c: RefBase | None = None,
        flags: int = 0,
        params: object = (),
        loop: object = None,
    ) -> None: ...
    def refs(self) -> list[RefBase]: ...

class Packer:
    def __init__(self, codes: Callable[[np.dtype[Any]], int]) -> None: ...
    @property
    def names(self) -> dict[str, int]: ...
    @property
    def operands(self) -> list[bytes]: ...
    @property
    def params(self) -> list[int]: ...
    def pack(self, instructions: list[Instruction]) -> bytes: ...

def connect(
    values: type,
    graphs: object,
    standing: Callable[..., Any],
    location: Callable[[], Any],
    leaves: tuple[Any, Any],
) -> None: ...
def weaken(value: ValueBase) -> None: ...
def rebind(handle: ValueBase, other: ValueBase) -> None: ...
def apply(primitive: PrimitiveBase, *operands: Any, **attributes: Any) -> Any: ...
def copy_node(node: Node, env: dict[Any, Any], graph: GraphBase) -> tuple[Any, ...]: ...
def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]: ...
def collapse(
    shape: tuple[int, ...], strides: list[tuple[int, ...]]
) -> tuple[list[int], list[list[int]]]: ...
def map_instruction(
    op: str, place: RefBase, operands: tuple[RefBase, ...]
) -> Instruction | None: ...
def locate(root: Root, offset: int) -> tuple[int, int]: ...
