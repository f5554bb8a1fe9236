"""Writes the sections of the container that docs/tape.md describes."""

import struct

import numpy as np

from .._core import Packer, aligned, locate
from ..errors import UnsupportedError
from .arena import plan

NONE = 0xFFFFFFFF
MAGIC = b"PBPTAPE\0"
VERSION = 1
DTYPES = {
    np.dtype(name): code
    for code, name in enumerate(
        ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
         "float32", "float64")
    )
}  # fmt: skip


# Of inputs and outputs only: instructions work on their parts.
COMPLEXES = {np.dtype(np.complex64): 11, np.dtype(np.complex128): 12}


def array_code(dtype):
    """The container's number of the dtype of an input or output; see :func:`dtype_code`."""
    return COMPLEXES.get(dtype) or dtype_code(dtype)


def dtype_code(dtype):
    """The container's number of a dtype of an instruction's operand.

    Raises
    ------
    UnsupportedError
        If a tape cannot hold it.
    """
    code = DTYPES.get(dtype)
    if code is None:
        raise UnsupportedError(
            f"dtype {dtype} is not supported; convert it first, e.g. x.astype(np.float32) or "
            "np.float64"
        )
    return code


def assemble(lowering):
    """The sections of the tape of a finished lowering."""
    writer = _Writer(lowering)
    try:
        image_bytes, arena_bytes = plan(lowering)
        consts = writer.constants(image_bytes)
        bases, loops = writer.bases_and_loops(arena_bytes, len(consts))
    except (struct.error, OverflowError):
        raise MemoryError(
            "the arrays of this function have more bytes than 64 bits can count"
        ) from None
    packer = Packer(dtype_code)
    instructions = packer.pack(lowering.instructions)
    graph = lowering.graph
    arrays = b"".join(
        struct.pack(f"<II{v.ndim}q", array_code(v.dtype), v.ndim, *v.shape)
        for v in graph.inputs + graph.outputs
    )
    header = struct.pack(
        "<QQIIII", arena_bytes, image_bytes, len(graph.inputs), len(graph.outputs),
        len(lowering.instructions), lowering.reverse_start,
    )  # fmt: skip
    return {
        "header": header,
        "names": b"".join(name.encode() + b"\0" for name in packer.names),
        "instructions": instructions,
        "operands": b"".join(packer.operands),
        "bases": bases,
        "loops": loops,
        "params": np.array(packer.params, "<i8").tobytes(),
        "consts": consts,
        "arrays": arrays,
    }


def container(sections):
    """One file of sections."""
    head = struct.pack("<8sII", MAGIC, VERSION, len(sections))
    position = aligned(len(head) + 32 * len(sections))
    directory, parts = [], []
    for name, data in sections.items():
        directory.append(struct.pack("<16sQQ", name.encode(), position, len(data)))
        parts.append((position, data))
        position = aligned(position + len(data))
    file = bytearray(position)
    head += b"".join(directory)
    file[: len(head)] = head
    for start, data in parts:
        file[start : start + len(data)] = data
    return bytes(file)


def sections_of(data):
    """The sections of a container, unchecked beyond its directory.

    Raises
    ------
    TapeError
        If the bytes have no valid directory.
    """
    from ..errors import TapeError

    if len(data) < 16 or data[:8] != MAGIC:
        raise TapeError("these bytes are no pybackprop tape: the magic number is missing")
    version, count = struct.unpack_from("<II", data, 8)
    if version != VERSION:
        raise TapeError(f"tape version {version} is not supported (this is version {VERSION})")
    if 16 + 32 * count > len(data):
        raise TapeError("truncated tape: its directory goes beyond its end")
    sections = {}
    for i in range(count):
        name, start, size = struct.unpack_from("<16sQQ", data, 16 + 32 * i)
        if start + size > len(data):
            raise TapeError("truncated tape: a section goes beyond its end")
        sections[name.rstrip(b"\0").decode("ascii", "replace")] = bytes(data[start : start + size])
    return sections


class _Writer:
    def __init__(self, lowering):
        self.lowering = lowering

    def constants(self, image_bytes):
        lowering = self.lowering
        data = bytearray(b"".join(root.data for root in lowering.image.values()))
        assert len(data) == image_bytes
        for root in lowering.constants.values():
            data += bytes(aligned(len(data)) - len(data))
            root.address = len(data)
            data += root.data
        return bytes(data)

    def bases_and_loops(self, arena_bytes, const_bytes):
        lowering = self.lowering
        records = [_base(0, 0, 0, 0, 0, arena_bytes), _base(1, 0, 0, 0, 0, const_bytes)]
        for roots, kind in ((lowering.inputs, 2), (lowering.outputs, 3)):
            for root in roots:
                root.base = len(records)
                records.append(_base(kind, root.number, 0, 0, 0, root.size))
        loops = []
        for number, loop in enumerate(lowering.loops):
            loop.number = number
            first = len(records)
            for window in loop.windows:
                window.base = len(records)
                parent, offset = locate(window.parent, window.offset)
                records.append(_base(4, parent, number, offset, window.bump, window.size))
            frame = NONE if loop.frame is None else loop.frame.base
            loops.append(
                struct.pack(
                    "<qIIIIII",
                    loop.trip,
                    first,
                    len(loop.windows),
                    frame,
                    loop.begin,
                    loop.end,
                    int(loop.parallel),
                )
            )
        return b"".join(records), b"".join(loops)


def _base(kind, parent, loop, offset, bump, size):
    return struct.pack("<IIIIqqqq", kind, parent, loop, 0, offset, bump, size, 0)
