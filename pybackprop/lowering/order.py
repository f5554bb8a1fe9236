"""The order of scalar instructions inside loops.

The sweep keeps the latest scalar result in a register, so an instruction that follows the one it
depends on does not wait for a result to come back from memory. Between instructions of other kinds,
the scalar instructions of a body are put into such an order: each is followed by a reader of its
result if there is one that is ready, else by the head of the longest chain of what is left. What
is read and written stays the same for each instruction, and so do the bits of all results.
"""

from heapq import heappop, heappush

from .instruction import SCALAR

# Cycles until a result can be used, roughly.
_LATENCY = {"DIV": 13, "RECIPROCAL": 13, "SQRT": 20, "MOV": 1, "SLOAD": 4, "SSTORE": 4}
_ARITHMETIC = {
    "NEG", "ADD", "SUB", "MUL", "NMUL", "FMA", "FMS", "FNMA", "SQUARE", "MAX", "MIN", "SELECT",
    "EQ", "NE", "LT", "LE", "ABS", "AND", "OR", "NOT",
}  # fmt: skip


def order(lowering):
    """Put the scalar instructions of loops that repeat in an order that keeps chains together."""
    instructions = lowering.instructions
    for loop in lowering.loops:
        if loop.trip < 2:
            continue
        start = loop.begin + 1
        for number in range(loop.begin + 1, loop.end + 1):
            instruction = instructions[number]
            if instruction.loop is None and instruction.flags & SCALAR:
                continue
            if number - start > 2:
                instructions[start:number] = _ordered(instructions[start:number])
            start = number + 1


def _ordered(instructions):
    """One stretch of scalar instructions in the new order."""
    after, waiting = _dependences(instructions)
    height = [0] * len(instructions)
    for number in range(len(instructions) - 1, -1, -1):
        op = instructions[number].op
        latency = 4 if op in _ARITHMETIC else _LATENCY.get(op, 30)
        height[number] = latency + max([height[n] for n, _ in after[number]], default=0)
    heap = []
    for number, count in enumerate(waiting):
        if count == 0:
            heappush(heap, (-height[number], number))
    result, taken = [], [False] * len(instructions)
    while len(result) < len(instructions):
        number = heappop(heap)[1]
        while number is not None:
            if taken[number]:
                break
            taken[number] = True
            result.append(instructions[number])
            following = None
            for other, reads in after[number]:
                waiting[other] -= 1
                if waiting[other] == 0:
                    heappush(heap, (-height[other], other))
                    if reads and (following is None or height[other] > height[following]):
                        following = other
            number = following
    return result


def _dependences(instructions):
    """Who must come after whom.

    Returns
    -------
    after : list of list of (int, bool)
        Per instruction, those that depend on it, and whether they read its result.
    waiting : list of int
        Per instruction, on how many it depends.
    """
    seen_through = _several_windows(instructions)
    writer, readers = {}, {}
    after = [[] for _ in instructions]
    waiting = [0] * len(instructions)
    for number, instruction in enumerate(instructions):
        before = {}
        for ref in (instruction.a, instruction.b, instruction.c):
            if ref is None:
                continue
            key = _key(ref, seen_through)
            if key in writer:
                before[writer[key]] = True
            readers.setdefault(key, []).append(number)
        key = _key(instruction.d, seen_through)
        if key in writer:
            before.setdefault(writer[key], False)
        for reader in readers.pop(key, ()):
            if reader != number:
                before.setdefault(reader, False)
        writer[key] = number
        for other, reads in before.items():
            after[other].append((number, reads))
        waiting[number] = len(before)
    return after, waiting


def _several_windows(instructions):
    """Regions that are reached through more than one window: any two accesses may meet."""
    windows = {}
    for instruction in instructions:
        for ref in instruction.refs():
            windows.setdefault(ref.root.ultimate(), set()).add(ref.root)
    return {region for region, roots in windows.items() if len(roots) > 1}


def _key(ref, seen_through):
    """What stands for the place of a number."""
    region = ref.root.ultimate()
    return region if region in seen_through else (ref.root, ref.offset, ref.ahead)
