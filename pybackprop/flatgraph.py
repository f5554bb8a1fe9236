"""Graphs as flat lists: what the ``graph`` section of a saved file holds.

A graph becomes a list of nodes, each with the number of its primitive, the numbers of its
operands and its attributes; bodies of loops become entries of one list of graphs, inner ones
first. So nothing is nested, and neither writing nor reading recurses, however long the graph.
Large arrays go into a section of raw bytes. Reading applies each primitive's rule for shapes and
dtypes anew, so that a graph that was read is well typed, whatever the file said.
"""

import contextlib
import gc
import os

import numpy as np

from ._core import bodies
from .errors import TapeError
from .graph import CONSTANT, INPUT, Graph, describe_location, element_count
from .primitives import find
from .primitives.linalg import SparseMatrix

VERSION = 1
_INLINE = 64  # bytes; longer constants go into the section of raw bytes
_SHARED = 4096  # bytes; longer ones are looked for among the tape's constants


class Blobs:
    """Arrays by their bytes: in place if short, else in a section.

    Parameters
    ----------
    consts : bytes
        The tape's constants, which are not written twice.
    data : bytes, optional
        The section ``blobs``, when reading.
    """

    def __init__(self, consts, data=b""):
        self.sections = {"consts": consts, "blobs": data}
        self.parts = []
        self.size = 0

    def add(self, array):
        """Describe an array in JSON's types, and keep its bytes."""
        array = np.asarray(array)
        described = {"dtype": array.dtype.newbyteorder("<").str, "shape": list(array.shape)}
        raw = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
        if len(raw) <= _INLINE:
            return {**described, "hex": raw.hex()}
        place = self.sections["consts"].find(raw) if len(raw) >= _SHARED else -1
        if place >= 0 and place % array.dtype.itemsize == 0:
            return {**described, "in": "consts", "at": place}
        place = self.size
        padding = bytes(-len(raw) % 64)
        self.parts += [raw, padding]
        self.size += len(raw) + len(padding)
        return {**described, "in": "blobs", "at": place}

    def get(self, described):
        """The array that was described, read only."""
        dtype = read_dtype(described["dtype"])
        shape = read_shape(described["shape"])
        count = element_count(shape)
        if "hex" in described:
            raw, place = bytes.fromhex(described["hex"]), 0
        else:
            raw, place = self.sections[described["in"]], described["at"]
        if type(place) is not int or place < 0 or place + count * dtype.itemsize > len(raw):
            raise ValueError("an array lies outside of its section")
        array = np.frombuffer(raw, dtype.newbyteorder("<"), count, place).reshape(shape)
        array = np.require(array.astype(dtype, copy=False), requirements="CA")
        array.flags.writeable = False
        return array

    def to_bytes(self):
        """The section ``blobs``."""
        return b"".join(self.parts)


def read_dtype(name):
    """A dtype of numbers, in native byte order."""
    if type(name) is not str:
        raise ValueError("not a dtype")
    dtype = np.dtype(name)
    if dtype.kind not in "biufc" or dtype.fields is not None or dtype.subdtype is not None:
        raise ValueError(f"dtype {name} has no place in a file")
    return dtype.newbyteorder("=")


def read_shape(shape):
    """A tuple of extents."""
    if type(shape) is not list or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise ValueError("not a shape")
    return tuple(shape)


@contextlib.contextmanager
def uncollected():
    """Hold off garbage collection: many objects are made, and none of them is garbage."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


# ---- writing ------------------------------------------------------------------------------------


def encode(graph, blobs):
    """A closed graph in JSON's types.

    Parameters
    ----------
    graph : Graph
    blobs : Blobs
        Takes the large constants.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If an attribute has no description, such as a Python function.
    """
    writer = _Writer(blobs)
    with uncollected():
        graphs = [writer.graph(g) for g in _inner_first(graph, writer.graph_numbers)]
    return {
        "version": VERSION,
        "primitives": list(writer.primitives),
        "places": [list(place) for place in writer.places],
        "graphs": graphs,
    }


def _inner_first(graph, numbers):
    """The graph and all bodies in it, each after those it contains; notes their numbers."""
    order, stack = [], [(graph, False)]
    while stack:
        current, done = stack.pop()
        if id(current) in numbers:
            continue
        if done:
            numbers[id(current)] = len(order)
            order.append(current)
        else:
            stack.append((current, True))
            stack += [(body, False) for body in reversed(bodies(current.nodes))]
    return order


class _Writer:
    def __init__(self, blobs):
        self.blobs = blobs
        self.primitives = {}
        self.places = {}
        self.known_places = {}
        self.graph_numbers = {}

    def graph(self, graph):
        numbers, nodes = {}, []
        for node in graph.nodes:
            primitive = node.primitive
            operands = [numbers[v] for v in node.operands]
            nodes.append(
                [
                    self.primitives.setdefault(primitive.name, len(self.primitives)),
                    operands,
                    self.attributes(node),
                    self.place(node.location),
                ]
            )
            for value in node.outputs:
                numbers[value] = len(numbers)
        return {
            "name": graph.name,
            "nodes": nodes,
            "inputs": [numbers[v] for v in graph.inputs],
            "outputs": [numbers[v] for v in graph.outputs],
            "reverse_start": graph.reverse_start,
        }

    def attributes(self, node):
        value = node.outputs[0] if node.outputs else None
        if node.primitive is INPUT:
            return {
                "dtype": value.dtype.name,
                "shape": list(value.shape),
                "weak": value.weak,
                "name": node.attributes.get("name"),
            }
        if node.primitive is CONSTANT:
            return {"value": self.blobs.add(node.attributes["value"]), "weak": value.weak}
        return {
            name: self.attribute(item, node.primitive.name)
            for name, item in node.attributes.items()
        }

    def attribute(self, item, name):
        if item is None or type(item) in (bool, int, str):
            return item
        if isinstance(item, (tuple, list)):
            return [self.attribute(part, name) for part in item]
        if isinstance(item, Graph):
            return {"graph": self.graph_numbers[id(item)]}
        if isinstance(item, np.dtype):
            return {"dtype": item.name}
        if isinstance(item, np.integer):
            return int(item)
        if isinstance(item, SparseMatrix):
            arrays = (item.rows, item.columns, item.values)
            return {"sparse": [*item.shape, *map(self.blobs.add, arrays)]}
        if isinstance(item, float):
            return {"float": float(item).hex()}
        raise TypeError(
            f"the graph cannot be saved, because a node {name!r} holds a {type(item).__name__}; "
            "graph=False saves the function without it: it runs, but cannot be differentiated again"
        )

    def place(self, location):
        """The number of a place in the user's code, by the name of its file and line."""
        if location is None:
            return -1
        # Code objects have slow hashes.
        key = (id(location[0]), location[1])
        number = self.known_places.get(key)
        if number is None:
            file, _, line = describe_location(location).rpartition(":")
            place = (os.path.basename(file), int(line))
            number = self.places.setdefault(place, len(self.places))
            self.known_places[key] = number
        return number


# ---- reading ------------------------------------------------------------------------------------


def decode(data, blobs):
    """The graph that :func:`encode` described.

    Parameters
    ----------
    data : dict
    blobs : Blobs

    Returns
    -------
    Graph

    Raises
    ------
    TapeError
        If it describes none, or uses a primitive that this version does not have.
    """
    try:
        if data["version"] != VERSION:
            raise TapeError(
                f"the saved graph is of version {data['version']}; this pybackprop reads {VERSION}"
            )
        with uncollected():
            return _Reader(data, blobs).main()
    except TapeError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise TapeError(f"the saved graph is damaged: {error}") from error


class _Reader:
    def __init__(self, data, blobs):
        self.data = data
        self.blobs = blobs
        self.primitives = [_find_primitive(name) for name in data["primitives"]]
        self.places = [(str(file), int(line)) for file, line in data["places"]]
        self.graphs = []

    def main(self):
        for described in self.data["graphs"]:
            self.graphs.append(self.graph(described))
        return self.graphs[-1]

    def graph(self, described):
        graph = Graph(str(described["name"]))
        values = []
        for primitive, operands, attributes, place in described["nodes"]:
            primitive = _item(self.primitives, primitive)
            operands = tuple([_item(values, k) for k in operands])
            graph.location = None if place == -1 else _item(self.places, place)
            if primitive is INPUT:
                values.append(self.input(graph, attributes))
            elif primitive is CONSTANT:
                array = self.blobs.get(attributes["value"])
                values.append(self.constant(graph, array, attributes["weak"] is True))
            else:
                decoded = {str(k): self.attribute(a) for k, a in attributes.items()}
                values.extend(graph.add(primitive, operands, decoded))
        inputs = [_item(values, k) for k in described["inputs"]]
        if len(set(inputs)) != len(inputs) or set(inputs) != set(graph.inputs):
            raise ValueError("its inputs are not its inputs")
        graph.inputs = inputs
        for position, value in enumerate(inputs):
            value.node.attributes["position"] = position
        graph.location = None
        start = described["reverse_start"]
        if start is not None and not (type(start) is int and 0 <= start <= len(graph.nodes)):
            raise ValueError("its reverse sweep starts nowhere")
        graph.reverse_start = start
        return graph.close([_item(values, k) for k in described["outputs"]])

    @staticmethod
    def input(graph, attributes):
        name = attributes["name"]
        return graph.add_input(
            read_shape(attributes["shape"]),
            read_dtype(attributes["dtype"]),
            attributes["weak"] is True,
            None if name is None else str(name),
        )

    @staticmethod
    def constant(graph, array, weak):
        # One node each, also for equal ones, so that the numbers of nodes stay as they were.
        graph.memory = {}
        return graph.constant(array, weak)

    def attribute(self, item):
        if item is None or type(item) in (bool, int, str):
            return item
        if type(item) is list:
            return tuple([self.attribute(part) for part in item])
        if type(item) is dict and len(item) == 1:
            if "graph" in item:
                return _item(self.graphs, item["graph"])
            if "dtype" in item:
                return read_dtype(item["dtype"])
            if "sparse" in item:
                m, k, *arrays = item["sparse"]
                return SparseMatrix.checked((m, k), *map(self.blobs.get, arrays))
            if "float" in item:
                return float.fromhex(item["float"])
        raise ValueError(f"{item!r} is no attribute")


def _item(items, number):
    if type(number) is not int or not 0 <= number < len(items):
        raise ValueError(f"there is no item {number!r}")
    return items[number]


def _find_primitive(name):
    for leaf in (INPUT, CONSTANT):
        if name == leaf.name:
            return leaf
    primitive = find(name)
    if primitive is None:
        raise TapeError(
            f"the saved graph uses the primitive {name!r}, which this version does not have"
        )
    return primitive
