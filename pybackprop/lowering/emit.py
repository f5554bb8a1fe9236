"""Emission: walks a graph and appends symbolic instructions.

The methods named after kinds of nodes (``map``, ``reduce``, ``matmul`` ...) are what primitives'
``lower`` calls. They work on :class:`~.layout.Ref` views; addresses come later. A float64 of one
element is computed in the scalar class, in slots of the arena or of a loop's frame; everything
else in the array class. One class has the state and the walk; its parts are in the modules that
are named after what they lower.
"""

from ..graph import CONSTANT, INPUT
from .kernels import Kernels
from .layout import INPUT as INPUT_KIND
from .layout import OUTPUT, Root
from .maps import Maps
from .plan import Scope, Target
from .reductions import Reductions
from .scalars import Scalars, is_scalar
from .storage import Storage
from .views import Views


class Lowering(Storage, Scalars, Maps, Views, Reductions, Kernels):
    """The state of lowering one graph.

    Attributes
    ----------
    graph : Graph
    instructions : list of Instruction
    loops : list of Loop
    inputs, outputs : list of Root
    constants : list of Root
    image : dict
        Scalar constants by their bits, each in a pinned slot of the arena.
    position : int
        The number of the node that is being emitted.
    local : Local or None
        The memory of the steps of the parallel loop that is being emitted.
    reverse_start : int
        Number of the first instruction of the reverse section.
    """

    def __init__(self, graph):
        super().__init__()
        self.graph = graph
        self.loops = []
        self.cache = {}
        self.constants = {}
        self.image = {}
        self.position = 0
        self.loop = None
        self.reverse_start = None
        self.inputs = [
            Root(INPUT_KIND, v.size * v.dtype.itemsize, number=i)
            for i, v in enumerate(graph.inputs)
        ]
        self.outputs = [
            Root(OUTPUT, v.size * v.dtype.itemsize, number=i) for i, v in enumerate(graph.outputs)
        ]

    def run(self):
        """Emit the whole graph."""
        graph = self.graph
        for root, value in zip(self.inputs, graph.inputs, strict=True):
            self.refs[value] = self._whole(root, value)
        fixed = {}
        for root, value in zip(self.outputs, graph.outputs, strict=True):
            if value not in fixed and not is_scalar(value) and value.node.primitive is not INPUT:
                fixed[value] = Target(ref=self._whole(root, value))
        self.emit_graph(graph, Scope(graph, fixed))
        for root, value in zip(self.outputs, graph.outputs, strict=True):
            place = self._whole(root, value)
            source = self.ref(value)
            if source.root is not root:
                if place.dtype.kind == "c":
                    place, source = place.planes(), source.planes()
                self.copy(place, source)
        if self.reverse_start is None:
            self.reverse_start = len(self.instructions)

    def emit_graph(self, graph, scope):
        """Emit the nodes of a graph or body under a plan."""
        outer, self.scope = self.scope, scope
        before = self.position
        for number, node in enumerate(graph.nodes):
            self.position = number
            if graph is self.graph and number == graph.reverse_start:
                self.reverse_start = len(self.instructions)
            if node.primitive is INPUT or node.primitive is CONSTANT:
                continue
            if node.outputs[0] in scope.fused:
                continue
            node.primitive.lower(self, node)
        self.scope, self.position = outer, before

    def scan(self, node):
        """A loop."""
        from .loop import lower_scan

        lower_scan(self, node)

    def tiles(self, node):
        """A loop over tiles of rows."""
        from .tiles import lower_tiles

        lower_tiles(self, node)
