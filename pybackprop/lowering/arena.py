"""The arena plan: when every slot lives, and where.

A slot lives from the first instruction that touches it to the last; if that range crosses the
border of a loop, it covers the loop. Slots whose lives do not overlap share memory. An elementwise
result takes the place of an operand of the same layout that dies there. What is done for every slot
is in ``_arena.pxi``.
"""

from .._core import aligned, find_lives, give_addresses

# Instructions whose kernels allow the result to be an operand, element by element.
IN_PLACE = {
    "MOV", "NEG", "ABS", "SIGN", "SQUARE", "ADD", "SUB", "MUL", "MAX", "MIN", "RECIPROCAL",
    "SQRT", "CBRT", "EXP", "EXP_NORMAL", "GAUSS", "EXP2", "EXPM1", "LOG", "LOG2", "LOG10", "LOG1P",
    "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "SINH", "COSH", "TANH", "ASINH", "ACOSH",
    "ATANH", "ERF", "ERFC", "SIGMOID", "SOFTPLUS", "FLOOR", "CEIL", "RINT", "TRUNC", "FINITE",
    "DIV", "MULZ", "FMA", "FMS", "FNMA", "NMUL", "TANH_BACK", "SIGMOID_BACK", "RELU",
    "RELU_GATE", "MAX_GATE", "MIN_GATE",
}  # fmt: skip


def plan(lowering):
    """Give every arena root of a lowering its address; returns the bytes of image and arena."""
    image = 0
    for root in lowering.image.values():
        root.address = image
        image += 8
    top = aligned(image)
    # Inner loops were closed before outer ones, but begun after: inner first.
    loops = sorted(lowering.loops, key=lambda loop: loop.end - loop.begin)
    instructions = lowering.instructions
    by_home = {}
    for root in find_lives(instructions, loops):
        by_home.setdefault(root.home, []).append(root)
    main = by_home.pop(None, [])
    for home, members in by_home.items():
        # A part of one block per step; cache lines are not shared.
        size = aligned(give_addresses(instructions, members, 0, IN_PLACE))
        home.window.size = home.window.bump = size
        home.window.parent.size = size * home.window.loop.trip
    return image, give_addresses(instructions, main, top, IN_PLACE)
