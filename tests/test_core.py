"""The compiled module alone: hand-assembled tapes, structures, signatures, the fast call path."""

import collections
import dataclasses
import doctest
import gc
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from pybackprop._core import (
    Bound,
    Entry,
    Function,
    Signature,
    Tape,
    Tree,
    flatten,
    flatten_tree,
    instruction_set,
    instruction_table,
)
from pybackprop.errors import TapeError

NONE = 0xFFFFFFFF
CODES = {
    name: code
    for code, name in enumerate(
        "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64".split()
    )
}
ARENA, CONST, INPUT, OUTPUT, LOOP = range(5)
ARENA_BYTES = 4096


class Assembler:
    """Writes tapes as ``docs/tape.md`` describes them; only what these tests need."""

    def __init__(self, inputs, outputs):
        self.arrays = [(np.dtype(d), tuple(s)) for d, s in [*inputs, *outputs]]
        self.n_inputs = len(inputs)
        self.names, self.instructions, self.operands = [], [], []
        self.bases, self.loops, self.params, self.aliases = [], [], [], []
        self.base(ARENA, size=ARENA_BYTES)
        self.base(CONST, size=0)
        for i, (dtype, shape) in enumerate(self.arrays):
            size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
            self.base(INPUT if i < self.n_inputs else OUTPUT, size=size)

    def base(self, kind, parent=0, loop=0, offset=0, bump=0, size=0):
        self.bases.append(struct.pack("<4I4q", kind, parent, loop, 0, offset, bump, size, 0))
        return len(self.bases) - 1

    def operand(self, base, dtype, offset=0):
        self.operands.append(struct.pack("<2Iq", base, CODES[np.dtype(dtype).name], offset))
        return len(self.operands) - 1

    def input(self, i):
        return self.operand(2 + i, self.arrays[i][0])

    def output(self, i):
        return self.input(self.n_inputs + i)

    def add(self, name, d, a=NONE, b=NONE, c=NONE, params=(), flags=0):
        if name not in self.names:
            self.names.append(name)
        first = len(self.params)
        self.params.extend(params)
        op = self.names.index(name)
        self.instructions.append(struct.pack("<2H5I", op, flags, first, d, a, b, c))
        return len(self.instructions) - 1

    def map(self, name, n, d, *operands, flags=0):
        self.add(name, d, *operands, params=[1, 1, n] + [0] * 8, flags=flags)

    def loop(self, trip, begin, end):
        self.loops.append(struct.pack("<q6I", trip, len(self.bases), 0, NONE, begin, end, 0))

    def to_bytes(self, version=1, **replaced):
        n_outputs = len(self.arrays) - self.n_inputs
        count = len(self.instructions)
        sections = {
            "header": struct.pack("<2Q4I", ARENA_BYTES, 0, self.n_inputs, n_outputs, count, count),
            "names": b"".join(name.encode() + b"\0" for name in self.names),
            "instructions": b"".join(self.instructions),
            "operands": b"".join(self.operands),
            "bases": b"".join(self.bases),
            "loops": b"".join(self.loops),
            "params": struct.pack(f"<{len(self.params)}q", *self.params),
            "consts": b"",
            "arrays": b"".join(
                struct.pack(f"<2I{len(s)}q", CODES[d.name], len(s), *s) for d, s in self.arrays
            ),
            "aliases": b"".join(struct.pack("<2I", *pair) for pair in self.aliases),
        }
        sections.update(replaced)
        offset = 16 + 32 * len(sections)
        directory, body = b"", b""
        for name, data in sections.items():
            body += b"\0" * (-(offset + len(body)) % 64)
            directory += struct.pack("<16s2Q", name.encode(), offset + len(body), len(data))
            body += data
        return b"PBPTAPE\0" + struct.pack("<2I", version, len(sections)) + directory + body


def norm_tape(n=10, dtype="float64"):
    """The tape of x -> (sum(x * x), 2 * x)."""
    code = Assembler([(dtype, (n,))], [(dtype, ()), (dtype, (n,))])
    squares = code.operand(0, dtype)
    code.map("SQUARE", n, squares, code.input(0))
    code.add("SUM", code.output(0), squares, params=[1, 1, n] + [0] * 8)
    code.map("ADD", n, code.output(1), code.input(0), code.input(0))
    return Tape(code.to_bytes())


def sum_tape(*dtypes, out="float64"):
    """The tape of (a, b, ...) -> a + b + ... for 0-d inputs of any dtypes."""
    code = Assembler([(d, ()) for d in dtypes], [(out, ())])
    code.add("ZERO", code.output(0), params=[np.dtype(out).itemsize])
    for i in range(len(dtypes)):
        term = code.operand(0, out, 64)
        code.map("CAST", 1, term, code.input(i))
        code.map("ADD", 1, code.output(0), code.output(0), term)
    return Tape(code.to_bytes())


def slow_tape(trip):
    """The tape of x -> x, after a loop of so many steps."""
    code = Assembler([("float64", (256,))], [("float64", (256,))])
    begin = code.add("LOOP_BEGIN", 0)
    code.map("SQRT", 256, code.operand(0, "float64"), code.input(0))
    end = code.add("LOOP_END", 0)
    code.loop(trip, begin, end)
    code.map("MOV", 256, code.output(0), code.input(0))
    return Tape(code.to_bytes())


class Recorder(Function):
    """Counts misses and returns what missed."""

    def __init__(self, *entries):
        self.misses = 0
        for entry in entries:
            self._add_entry(entry)

    def _miss(self, args, kwargs):
        self.misses += 1
        return ("miss", args, kwargs)


VALUE_AND_GRAD = flatten_tree((0.0, 0.0))[0]
SCALAR = flatten_tree(0.0)[0]


def norm_entry(*args, n=10, **kwargs):
    """An entry for a call whose first array leaf is x; other leaves are not read."""
    signature, leaves = flatten(args, kwargs)
    first = next(i for i, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray))
    feeds = [0 if i == first else -1 for i in range(len(leaves))]
    return Entry(signature, norm_tape(n), VALUE_AND_GRAD, feeds, [("scalar", 0), ("array", 1)])


def sum_entry(*args, dtypes, **kwargs):
    signature, leaves = flatten(args, kwargs)
    tape = sum_tape(*dtypes)
    return Entry(signature, tape, SCALAR, range(len(leaves)), [("scalar", 0)])


def check_norm(result, x):
    value, gradient = result
    assert type(value) is np.float64 and type(gradient) is np.ndarray
    assert value == pytest.approx(np.sum(x * x))
    assert np.array_equal(gradient, 2 * x)


X = np.arange(10.0) - 3
Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Model:
    weights: object
    bias: object = None


# ---- tapes ---------------------------------------------------------------------------------------


def test_tape_attributes():
    tape = norm_tape()
    assert (tape.n_inputs, tape.n_outputs, tape.n_instructions, tape.reverse_start) == (1, 2, 3, 3)
    assert tape.inputs == ((np.dtype("float64"), (10,)),)
    assert tape.outputs == ((np.dtype("float64"), ()), (np.dtype("float64"), (10,)))
    assert tape.arena_bytes == ARENA_BYTES <= tape.workspace_bytes
    assert 0 < tape.cost < 1500
    assert "SQUARE" in str(tape).upper()
    assert "3 instructions" in repr(tape)


def test_tape_run_converts_layout_and_writes_given_outputs():
    tape = norm_tape()
    for x in (X, X[::-1], np.asfortranarray(X).astype(">f8"), list(X)):
        value, gradient = tape.run([x])
        check_norm((value[()], gradient), np.asarray(x, float))
    out = [np.empty(()), np.empty(10)]
    assert tape.run([X], out)[1] is out[1]
    check_norm((out[0][()], out[1]), X)


@pytest.mark.parametrize(
    ("inputs", "outputs", "error"),
    [
        ([], None, ValueError),
        ([X, X], None, ValueError),
        ([X[:9]], None, TypeError),
        ([X.astype("f4")], None, TypeError),
        ([None], None, TypeError),
        ([X], [np.empty(())], ValueError),
        ([X], [np.empty(()), np.empty(9)], ValueError),
        ([X], [np.empty(()), np.empty(20)[::2]], ValueError),
        ([X], [np.empty(()), [0.0] * 10], TypeError),
    ],
)
def test_tape_run_refuses(inputs, outputs, error):
    with pytest.raises(error):
        norm_tape().run(inputs, outputs)


def test_tape_pickles_by_its_bytes():
    tape = norm_tape()
    again = pickle.loads(pickle.dumps(tape))
    assert again.to_bytes() == tape.to_bytes()
    check_norm((again.run([X])[0][()], again.run([X])[1]), X)


def test_hostile_bytes_are_refused():
    good = norm_tape().to_bytes()
    for size in range(0, len(good), 7):
        with pytest.raises(TapeError):
            Tape(good[:size])
    with pytest.raises(TapeError):
        Tape(good.replace(b"SQUARE", b"SQUEAK"))
    with pytest.raises(TapeError):
        Tape(Assembler([], []).to_bytes(version=99))
    for wrong in (None, "text", 3):
        with pytest.raises(TypeError):
            Tape(wrong)
    generator = np.random.default_rng(0)
    for _ in range(2000):
        data = np.frombuffer(good, np.uint8).copy()
        places = generator.integers(0, len(data), 1 + generator.integers(4))
        data[places] = generator.integers(0, 256, len(places))
        try:
            tape = Tape(data.tobytes())
        except (TapeError, MemoryError):
            continue
        str(tape)


def test_index_error_names_index_and_bound():
    code = Assembler([("float64", (5,)), ("int64", (1,))], [("float64", (1,))])
    operands = code.output(0), code.input(0), code.input(1)
    number = code.add("GATHER", *operands, params=[1, 1, 5, 1, 0])
    tape = Tape(code.to_bytes())
    assert tape.run([np.arange(5.0), [-1]])[0] == 4
    with pytest.raises(IndexError, match=r"7.* 5") as caught:
        tape.run([np.arange(5.0), [7]])
    assert caught.value.instruction == number


def test_instruction_table():
    rows = {row["name"]: row for row in instruction_table()}
    assert [row["number"] for row in rows.values()] == list(range(len(rows)))
    assert rows["ADD"]["arity"] == 2 and rows["ADD"]["scalar"] is True
    assert "float64" in rows["EXP"]["dtypes"] and "int64" not in rows["EXP"]["dtypes"]
    assert rows["MATMUL"]["group"] == "matmul"
    assert instruction_set()


@pytest.mark.skipif("PBP_RUN_TAPE" not in os.environ, reason="the C example is not built")
def test_c_example_runs_the_same_tape(tmp_path):
    path = tmp_path / "norm.tape"
    path.write_bytes(norm_tape().to_bytes())
    command = [os.environ["PBP_RUN_TAPE"], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "10" in done.stdout and "2" in done.stdout
    path.write_bytes(norm_tape().to_bytes()[:100])
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and done.stderr


# ---- structures ----------------------------------------------------------------------------------

STRUCTURES = [
    1.0,
    None,
    (),
    [],
    {},
    (1.0, [2, {"a": None, "b": (3,)}]),
    {"z": 1, "a": 2, 3: 4, ("t", 1): 5},
    Point(1, [2]),
    Model([1.0], {"bias": 2}),
]


@pytest.mark.parametrize("value", STRUCTURES, ids=str)
def test_tree_round_trip(value):
    tree, leaves = flatten_tree(value)
    assert tree.n_leaves == len(leaves)
    again = tree.unflatten(leaves)
    assert again == value and type(again) is type(value)
    assert pickle.loads(pickle.dumps(tree)) == tree
    described = json.loads(json.dumps(tree.describe()))
    assert Tree.from_description(described) == tree
    assert hash(Tree.from_description(described)) == hash(tree)
    assert tree.collect(value) == leaves


def test_tree_keeps_and_maps_the_order_of_keys():
    tree, leaves = flatten_tree({"b": 1, "a": 2})
    assert leaves == [1, 2]
    assert list(tree.unflatten(leaves)) == ["b", "a"]
    assert tree.collect({"a": 20, "b": 10}) == [10, 20]
    for other in ({"a": 1}, {"a": 1, "c": 2}, [1, 2], {"a": 1, "b": 2, "c": 3}):
        with pytest.raises(ValueError, match="expected a dict"):
            tree.collect(other)


def test_trees_differ():
    trees = [flatten_tree(value)[0] for value in STRUCTURES]
    assert len(set(trees)) == len(STRUCTURES)
    assert repr(trees[5]) == "Tree((*, [*, {'a': None, 'b': (*,)}]))"
    with pytest.raises(ValueError, match="expected 1 leaves"):
        trees[0].unflatten([1, 2])


def test_unknown_types_become_look_alikes():
    text = json.dumps(flatten_tree(Point(1, 2))[0].describe()).replace("Point", "Gone")
    made = Tree.from_description(json.loads(text)).unflatten([3, 4])
    assert (made.x, made.y) == (3, 4) and type(made).__name__ == "Gone"
    text = json.dumps(flatten_tree(Model(1, 2))[0].describe()).replace("Model", "Gone")
    assert Tree.from_description(json.loads(text)).unflatten([3, 4]).weights == 3


@pytest.mark.parametrize(
    "data", [1, "x", {}, {"tuple": 3}, {"dict": [1]}, {"static": {}}, {"namedtuple": "a"},
             {"dict": [["a", "*"], ["a", "*"]]}, {"dataclass": "os:system", "fields": [1]}],
)  # fmt: skip
def test_bad_descriptions_are_refused(data):
    with pytest.raises(ValueError, match="not a description"):
        Tree.from_description(data)


def test_structures_that_contain_themselves_are_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested"):
        flatten_tree(loop)


def test_other_objects_are_leaves():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.zeros(2)

    things = (Holder(), "text", np.ma.array([1.0]), np.float32(1), object(), True, 1j)
    signature, leaves = flatten(things)
    assert all(a is b for a, b in zip(leaves, things, strict=True))
    kinds = [kind for kind, _, _ in signature.leaves]
    assert kinds == ["object", "object", "object", "scalar", "object", "bool", "complex"]


# ---- signatures ----------------------------------------------------------------------------------


def test_signature_tells_leaves_apart():
    values = [
        X, X[:9], X.astype("f4"), X.reshape(2, 5), np.array(1.0), np.float64(1), np.float32(1),
        1.0, 1, True, 1j, None, (X,), [X], {"a": X}, np.int64(1), np.bool_(True),
    ]  # fmt: skip
    assert len({flatten((value,))[0] for value in values}) == len(values)
    assert flatten((X,))[0] != flatten((), {"x": X})[0]


def test_signature_ignores_layout_and_names_of_c_types():
    signature = flatten((X,))[0]
    assert flatten((X[::-1],))[0] == signature
    assert flatten((X.astype(">f8"),))[0] == signature
    a, b = (flatten((np.ones(3, dtype),))[0] for dtype in ("q", "l"))
    assert (a == b) == (np.dtype("q") == np.dtype("l"))
    assert repr(flatten((X, 1.0), {"k": [1]})[0]) == "Signature(float64[10], float, k=[int])"


def test_signature_ignores_the_order_of_keys():
    one, leaves = flatten(({"a": X, "b": 1.0},), {"p": 1, "q": 2.0})
    two, _ = flatten(({"b": 1.0, "a": X},), {"q": 2.0, "p": 1})
    assert one == two and hash(one) == hash(two)
    collected = one.collect(({"b": 1.0, "a": X},), {"q": 2.0, "p": 1})
    assert collected[0] is X and collected[1:] == leaves[1:]
    assert one != flatten(({"b": X, "a": 1.0},), {"q": 2.0, "p": 1})[0]
    assert one.unflatten(leaves) == (({"a": X, "b": 1.0},), {"p": 1, "q": 2.0})
    assert pickle.loads(pickle.dumps(one)) == one


def test_static_arguments_are_compared_by_type_and_value():
    values = [1, 1.0, True, 0.0, -0.0, "a", (1,), (1.0,), None, frozenset([1]), Point]
    signatures = {flatten((X, value), {}, {1})[0] for value in values}
    assert len(signatures) == len(values)
    assert flatten((X,), {"mode": "ab"}, {"mode"})[0] == flatten((X,), {"mode": "ab"}, {"mode"})[0]
    signature, leaves = flatten((X, ("a", 2)), {}, {1})
    assert len(leaves) == 1 and signature.unflatten([0]) == ((0, ("a", 2)), {})
    with pytest.raises(TypeError, match="hashable"):
        flatten((X, [1]), {}, {1})


# ---- calls ---------------------------------------------------------------------------------------


def test_call_hits():
    function = Recorder(norm_entry(X))
    for x in (X, X[::-1], X.astype(">f8"), np.repeat(X, 2)[::2], X + 1):
        check_norm(function(x), x)
    unaligned = np.empty(81, np.uint8)[1:].view(float)
    unaligned[:] = X
    check_norm(function(unaligned), X)
    read_only = X.copy()
    read_only.flags.writeable = False
    check_norm(function(read_only), X)
    assert function.misses == 0


def test_call_results_are_fresh():
    function = Recorder(norm_entry(X))
    first = function(X)[1]
    kept = first.copy()
    second = function(X + 1)[1]
    assert not np.shares_memory(first, second) and np.array_equal(first, kept)
    assert first.flags.owndata and first.flags.writeable


@pytest.mark.parametrize(
    "args",
    [(), (X, X), (X[:9],), (X.astype("f4"),), (list(X),), (None,), (1.0,), (np.float64(1),),
     (X.reshape(2, 5),), (np.ma.array(X),), (X.view(np.recarray),), ((X,),), ("x",)],
)  # fmt: skip
def test_call_misses(args):
    function = Recorder(norm_entry(X))
    result = function(*args)
    assert result[0] == "miss" and len(result[1]) == len(args)
    assert all(a is b for a, b in zip(result[1], args, strict=True))
    assert function.misses == 1
    check_norm(function(X), X)


def test_miss_gets_names():
    assert Recorder()(1, a=2, b=3) == ("miss", (1,), {"a": 2, "b": 3})
    assert Recorder().__call__(1, a=2) == ("miss", (1,), {"a": 2})
    assert Function.__call__(Recorder(), 1, a=2) == ("miss", (1,), {"a": 2})
    with pytest.raises(NotImplementedError):
        Function()(1)


def test_miss_may_raise():
    class Failing(Function):
        def _miss(self, args, kwargs):
            raise KeyError("missed")

    with pytest.raises(KeyError, match="missed"):
        Failing()(1)


@pytest.mark.parametrize(
    ("value", "others"),
    [
        (2.0, [2, True, np.float64(2), np.float32(2), np.array(2.0), "2", None, 2j]),
        (2, [2.0, True, np.int64(2), np.int32(2), np.array(2), 2**63, -(2**70)]),
        (True, [1, 1.0, np.True_]),
        (np.float64(2), [2.0, 2, np.float32(2), np.array(2.0)]),
        (np.float32(2), [2.0, np.float64(2)]),
        (np.int16(2), [2, np.int64(2), np.int32(2)]),
        (np.True_, [True, np.int64(1)]),
    ],
    ids=repr,
)
def test_numbers(value, others):
    dtype = {float: "float64", int: "int64", bool: "bool"}.get(type(value)) or value.dtype
    function = Recorder(sum_entry(value, 1.5, dtypes=[dtype, "float64"]))
    assert function(value, 1.5) == value + 1.5
    assert function(value, -3.25) == value - 3.25
    assert function.misses == 0
    for other in others:
        assert function(other, 1.5)[0] == "miss"


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
def test_int_feeds_other_dtypes(dtype):
    entry = sum_entry(3, dtypes=[dtype])
    function = Recorder(entry)
    assert function(-7) == -7 and entry.call([-7]) == -7
    assert function(2**63)[0] == "miss"
    if dtype.startswith("int"):
        with pytest.raises(OverflowError):
            entry.call([2**63])
    with pytest.raises(ValueError, match="cannot feed"):
        sum_entry(3.0, dtypes=["int64"])


def test_scalar_results_have_their_dtype():
    for dtype in ("float64", "float32", "int64", "bool"):
        code = Assembler([(dtype, ())], [(dtype, ())])
        code.map("MOV", 1, code.output(0), code.input(0))
        tape = Tape(code.to_bytes())
        value = np.ones((), dtype)
        for kind, cls in (("scalar", np.dtype(dtype).type), ("array", np.ndarray)):
            entry = Entry(flatten((value,))[0], tape, SCALAR, [0], [(kind, 0)])
            result = Recorder(entry)(value)
            assert type(result) is cls and result.dtype == dtype and result == 1


def test_nested_arguments():
    args = ({"w": X, "layers": [(1.0, 2), None]}, Point(3.0, [4.0]), Model(5.0, ()))
    signature, leaves = flatten(args, {"scale": 6.0})
    feeds = [-1, 0, -1, 1, 2, 3, 4]
    tape = sum_tape(*["float64"] * 5)
    function = Recorder(Entry(signature, tape, SCALAR, feeds, [("scalar", 0)]))
    assert function(*args, scale=6.0) == 1 + 3 + 4 + 5 + 6
    reordered = {"layers": [(7.0, 2), None], "w": X}
    assert function(reordered, *args[1:], scale=6.0) == 7 + 3 + 4 + 5 + 6
    assert function.misses == 0 and len(leaves) == 7
    for other in (
        {"w": X, "layers": ((1.0, 2), None)},
        {"w": X, "layers": [(1.0, 2), 0]},
        {"w": X, "layers": [(1.0, 2)]},
        {"w": X, "layers": [(1.0, 2.0), None]},
        {"w": X, "other": [(1.0, 2), None]},
        {"w": X},
    ):
        assert function(other, *args[1:], scale=6.0)[0] == "miss"
    assert function(args[0], (3.0, [4.0]), args[2], scale=6.0)[0] == "miss"
    assert function(args[0], args[1], Point(5.0, ()), scale=6.0)[0] == "miss"


def test_keywords_in_any_order():
    function = Recorder(sum_entry(1.0, a=2.0, b=3.0, dtypes=["float64"] * 3))
    assert function(1.0, a=20.0, b=300.0) == function(1.0, b=300.0, a=20.0) == 321
    assert function(1.0, **{"".join(["a"]): 20.0, "".join(["b"]): 1.0}) == 22
    assert function.misses == 0
    assert function(1.0, a=1.0)[0] == function(1.0, a=1.0, c=1.0)[0] == "miss"
    assert function(1.0, 2.0, b=3.0)[0] == "miss"


def test_static_arguments_in_calls():
    signature, _ = flatten((X, "mode", (1, 2)), {}, {1, 2})
    entry = Entry(signature, norm_tape(), VALUE_AND_GRAD, [0], [("scalar", 0), ("array", 1)])
    function = Recorder(entry)
    check_norm(function(X, "".join(["mo", "de"]), (1, 2)), X)
    assert function.misses == 0
    for other in ("other", b"mode", [], X):
        assert function(X, other, (1, 2))[0] == "miss"
    assert function(X, "mode", (1, 2.0))[0] == "miss"


def test_results_of_every_structure():
    constant = np.arange(3)
    shape = {
        "value": 0, "pair": (1, [None, 2]), "point": Point(3, 4), "model": Model(5, 6),
        "text": 7, "array": 8,
    }  # fmt: skip
    kinds = [
        ("scalar", 0), ("array", 1), ("same", 1), ("array", 0), ("same", 0),
        ("constant", 3), ("same", 1), ("constant", "text"), ("constant", constant),
    ]  # fmt: skip
    tree, _ = flatten_tree(shape)
    function = Recorder(Entry(flatten((X,))[0], norm_tape(), tree, [0], kinds))
    result = function(X)
    gradient = result["pair"][0]
    assert list(result) == list(shape)
    assert result["value"] == np.sum(X * X) and np.array_equal(gradient, 2 * X)
    assert result["pair"][1] == [None, gradient]
    assert type(result["point"]) is Point and result["point"].x.shape == ()
    assert result["point"].y == result["value"]
    assert type(result["model"]) is Model
    assert result["model"].weights == 3 and result["model"].bias is gradient
    assert result["text"] == "text"
    result["array"][:] = 9
    assert np.array_equal(function(X)["array"], constant)


def test_constants_feed_inputs():
    tape = sum_tape("float64", "float64")
    arguments = flatten((1.0,))[0], tape, SCALAR, [1], [("scalar", 0)]
    function = Recorder(Entry(*arguments, {0: np.array(5.0)}))
    assert function(2.0) == 7
    with pytest.raises(ValueError):
        Entry(*arguments)
    with pytest.raises(ValueError):
        Entry(*arguments, {0: np.zeros(2)})


@pytest.mark.parametrize(
    ("feeds", "kinds"),
    [
        ([], [("scalar", 0), ("array", 1)]),
        ([1], [("scalar", 0), ("array", 1)]),
        ([-1], [("scalar", 0), ("array", 1)]),
        ([0], [("scalar", 0)]),
        ([0], [("scalar", 0), ("scalar", 1)]),
        ([0], [("scalar", 0), ("array", 2)]),
        ([0], [("scalar", 0), ("array", -1)]),
        ([0], [("scalar", 0), ("list", 1)]),
        ([0], [("same", 1), ("same", 0)]),
    ],
)
def test_entries_that_do_not_fit_are_refused(feeds, kinds):
    with pytest.raises(ValueError):
        Entry(flatten((X,))[0], norm_tape(), VALUE_AND_GRAD, feeds, kinds)


def test_entry_call_converts():
    entry = norm_entry(X)
    for x in (X, X[::-1], list(X), X.astype(">f8")):
        check_norm(entry.call([x]), np.asarray(x, float))
    for wrong in ([], [X, X], [X[:9]], [X.astype(complex)]):
        with pytest.raises((TypeError, ValueError)):
            entry.call(wrong)


def test_four_recent_entries():
    arrays = [np.arange(float(n)) for n in range(1, 7)]
    entries = [norm_entry(x, n=len(x)) for x in arrays]
    function = Recorder(*entries)
    assert set(function._entries) == set(entries[2:])
    for _ in range(2):
        for x in arrays[2:]:
            check_norm(function(x), x)
    assert function.misses == 0
    function(arrays[0])
    assert function.misses == 1
    function._add_entry(entries[0])
    function._add_entry(entries[0])
    assert len(function._entries) == 4 and function._entries[0] is entries[0]
    check_norm(function(arrays[0]), arrays[0])
    function._clear_entries()
    assert function._entries == () and function(arrays[0])[0] == "miss"


def test_many_arguments():
    args = tuple(float(i) for i in range(100))
    function = Recorder(sum_entry(*args, dtypes=["float64"] * 100))
    assert function(*args) == sum(args)
    assert function(*args[:-1], 1000.0) == sum(args) - 99 + 1000
    assert function(*args[:-1], 1)[0] == "miss"
    nested = Recorder(sum_entry({str(i): i * 1.0 for i in range(100)}, dtypes=["float64"] * 100))
    assert nested({str(i): 2.0 for i in reversed(range(100))}) == 200
    assert nested.misses == 0


def test_functions_have_attributes_and_weak_references():
    function = Recorder(norm_entry(X))
    function.name = "norm"
    reference = weakref.ref(function)
    function.me = function
    del function
    gc.collect()
    assert reference() is None


def test_arguments_may_change_while_they_are_matched():
    class Changing:
        def __eq__(self, other):
            numbers.clear()
            return False

        def __hash__(self):
            return 1

    numbers = [1.0, "", 2.0]
    signature, _ = flatten(([1.0, Changing(), 2.0],))
    assert signature.leaves[1][0] == "object"
    function = Recorder(sum_entry([1.0, 2.0], dtypes=["float64"] * 2))
    assert function(numbers)[0] == "miss"
    static, _ = flatten((Changing(), 1.0), {}, {0})
    function = Recorder(Entry(static, sum_tape("float64"), SCALAR, [0], [("scalar", 0)]))
    assert function(Changing(), 1.0)[0] == "miss" and numbers == []


# ---- bound calls ---------------------------------------------------------------------------------


def test_bound():
    x, out = X.copy(), (np.empty(()), np.empty(10))
    bound = Bound(norm_tape(), [x], out, out)
    assert bound() is out
    check_norm((out[0][()], out[1]), X)
    x += 1
    bound.__call__()
    check_norm((out[0][()], out[1]), X + 1)
    for wrong in (lambda: bound(1), lambda: bound(a=1), lambda: bound.__call__(1)):
        with pytest.raises(TypeError):
            wrong()


def test_bound_refuses():
    tape, out = norm_tape(), (np.empty(()), np.empty(10))
    read_only = np.empty(10)
    read_only.flags.writeable = False
    shared = np.empty(15)
    for inputs, outputs in [
        ([], out), ([X, X], out), ([X], out[:1]), ([X], (out[0], read_only)),
        ([X[::-1]], out), ([X.astype(">f8")], out), ([X.astype("f4")], out),
        ([shared[:10]], (out[0], shared[5:])),
    ]:  # fmt: skip
        with pytest.raises(ValueError):
            Bound(tape, inputs, outputs, None)
    with pytest.raises(TypeError):
        Bound(tape, [list(X)], out, None)
    with pytest.raises(TypeError):
        Bound(None, [X], out, None)


def test_bound_is_not_reentrant():
    tape = slow_tape(20_000_000)
    assert tape.cost > 1500
    bound = Bound(tape, [np.ones(256)], [np.empty(256)], None)
    refused = []

    def handler(*_):
        try:
            bound()
        except RuntimeError as error:
            refused.append(error)
        raise InterruptedError

    with alarm(handler), pytest.raises(InterruptedError):
        bound()
    assert refused


# ---- threads, processes, signals, memory ---------------------------------------------------------


class alarm:
    """Within it, handler is called by a signal after a fifth of a second."""

    def __init__(self, handler):
        self.handler = handler

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def test_interrupt():
    tape = slow_tape(2_000_000_000)
    x = np.ones(256)
    entry = Entry(flatten((x,))[0], tape, SCALAR, [0], [("array", 0)])
    function = Recorder(entry)

    def handler(*_):
        raise KeyboardInterrupt

    start = time.perf_counter()
    with alarm(handler), pytest.raises(KeyboardInterrupt):
        function(x)
    assert time.perf_counter() - start < 1.2


@pytest.mark.parametrize("trip", [1, 300])
def test_threads(trip):
    entries = norm_entry(X), None
    slow = slow_tape(trip)
    y = np.arange(256.0)
    entries = norm_entry(X), Entry(flatten((y,))[0], slow, SCALAR, [0], [("array", 0)])
    function = Recorder(*entries)
    failures = []
    gate = threading.Barrier(8)

    def work(seed):
        x, z = X + seed, y * seed
        gate.wait()
        try:
            for _ in range(500):
                check_norm(function(x), x)
                assert np.array_equal(function(z), z)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and function.misses == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork():
    function = Recorder(norm_entry(X))
    function(X)
    child = os.fork()
    if child == 0:
        try:
            check_norm(function(X + 1), X + 1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    check_norm(function(X), X)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_calls_do_not_leak():
    constant = np.arange(1000)
    tree, _ = flatten_tree(({"a": 0}, Point(0, [0]), Model(0)))
    kinds = [("array", 1), ("scalar", 0), ("constant", constant), ("array", 1)]
    args = ({"x": X, "y": [1.0, (None, 2)]}, Model(X))
    signature, leaves = flatten(args, {"key": X})
    feeds = [0] + [-1] * (len(leaves) - 1)
    function = Recorder(Entry(signature, norm_tape(), tree, feeds, kinds))
    strided = np.repeat(X, 2)[::2]
    bound = Bound(norm_tape(), [X], [np.empty(()), np.empty(10)], None)

    def run(count):
        for _ in range(count):
            function(*args, key=X)
            function({"y": args[0]["y"], "x": strided}, args[1], key=X)
            function({"x": X, "y": [1.0, (None, 2.0)]}, args[1], key=X)
            bound()

    run(2000)
    references = [sys.getrefcount(thing) for thing in (X, args, args[0], strided, Point)]
    before = resident_bytes()
    run(25_000)
    assert resident_bytes() - before < 1_000_000
    assert references == [sys.getrefcount(t) for t in (X, args, args[0], strided, Point)]


def test_failed_runs_do_not_leak():
    code = Assembler([("float64", (5,)), ("int64", (1,))], [("float64", (1,))])
    operands = code.output(0), code.input(0), code.input(1)
    code.add("GATHER", *operands, params=[1, 1, 5, 1, 0])
    x, bad = np.arange(5.0), np.array([7])
    entry = Entry(
        flatten((x, bad))[0], Tape(code.to_bytes()), SCALAR, [0, 1], [("array", 0)]
    )  # fmt: skip
    function = Recorder(entry)
    before = sys.getrefcount(x), sys.getrefcount(entry)
    for _ in range(100):
        with pytest.raises(IndexError):
            function(x, bad)
    assert (sys.getrefcount(x), sys.getrefcount(entry)) == before
    assert function(x, bad - 6) == 1


def test_examples_in_the_documentation():
    assert isinstance(flatten(())[0], Signature)
    runner = doctest.DocTestRunner()
    for item in (flatten_tree,):
        for case in doctest.DocTestFinder().find(item, item.__name__, globs={}):
            runner.run(case)
    assert runner.tries > 0 and runner.failures == 0
