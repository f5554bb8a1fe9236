"""The C headers that emitted code is pasted from, and the parts that a piece of code needs.

A header is cut into parts at blank lines outside of braces and conditions. A part defines names;
a piece of code needs the parts that define the identifiers in it, these need further ones, and
all are pasted in the order of the headers.
"""

import functools
import re
from pathlib import Path

HEADERS = (
    "float_math.h", "simd_math.h", "special_math.h", "special_loops.h", "special_bessel.h",
    "special_incomplete.h", "native_runtime.h", "order.h", "fft.h", "sparse.h",
)  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(
    r"^(?:PBP_(?:INLINE|RARE|PART|CALL|SPECIAL)|static|typedef)\b[^;{=]*?\b(pbp_\w+)\s*(?:\(|\[|;|\{|$)",
    re.M,
)
_MACRO = re.compile(r"^#\s*define\s+(\w+)(?:\(([^)]*)\))?", re.M)
_INVOCATION = re.compile(r"^(PBP_[A-Z0-9_]+)\(([^)]*)\)$", re.M)
_PASTED = re.compile(r"\w+(?:\s*##\s*\w+)+")


def header_folder():
    """Give the folder of the C headers: installed beside the package, or in the source tree.

    Raises
    ------
    FileNotFoundError
        If the installation lacks them.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "csrc", package.parent / "csrc" / "src"):
        if all((folder / name).is_file() for name in HEADERS):
            return folder
    raise FileNotFoundError(
        f"the C headers {', '.join(HEADERS)} are missing from the installation of pybackprop; "
        "install it again"
    )


@functools.cache
def _parts():
    folder = header_folder()
    parts = [p for name in HEADERS for p in _split((folder / name).read_text("utf-8"))]
    macros = {}
    for part in parts:
        for match in _MACRO.finditer(part):
            body = part[match.end() :]
            parameters = [p.strip() for p in (match[2] or "").split(",")]
            macros[match[1]] = (parameters, body)
    defined, needs = {}, []
    for number, part in enumerate(parts):
        for name in _names(part, macros):
            defined.setdefault(name, number)
        needs.append(set(_IDENTIFIER.findall(part)) | _expanded(part, macros))
    return parts, defined, needs


def _split(text):
    """Parts of a header, without its guard, includes and comments that belong to nothing."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r" +\\$", r" \\", text, flags=re.M)  # the margin of macros
    parts, lines = [], []
    braces = conditions = 0
    for line in text.split("\n"):
        stripped = line.strip()
        if not stripped and not braces and not conditions and not _continued(lines):
            if lines:
                parts.append("\n".join(lines))
            lines = []
            continue
        if re.match(r"#\s*(include|undef)\b", stripped):
            continue
        if re.match(r"#\s*ifndef PBP_\w+_H$", stripped) or re.match(
            r"#\s*define PBP_\w+_H$", stripped
        ):
            continue
        if re.match(r"#\s*if", stripped):
            conditions += 1
        elif re.match(r"#\s*endif", stripped):
            conditions -= 1
            if conditions < 0:
                conditions = 0
                continue
        if not stripped.startswith("#") and not _continued(lines):
            braces += line.count("{") - line.count("}")
        lines.append(line)
    if lines:
        parts.append("\n".join(lines))
    return [p for p in parts if p.strip()]


def _continued(lines):
    return bool(lines) and lines[-1].endswith("\\")


def _names(part, macros):
    names = set(_DEFINED.findall(part)) | {m[1] for m in _MACRO.finditer(part)}
    return names | _expanded(part, macros)


def _expanded(part, macros):
    """Give the identifiers that macro invocations in a part put together."""
    names = set()
    for match in _INVOCATION.finditer(part):
        parameters, body = macros.get(match[1], ((), ""))
        values = dict(zip(parameters, [a.strip() for a in match[2].split(",")], strict=False))
        for pasted in _PASTED.findall(body):
            pieces = [p.strip() for p in pasted.split("##")]
            names.add("".join(values.get(p, p) for p in pieces))
    return names


def needed(code):
    """Give the text that defines what ``code`` uses, in order."""
    parts, defined, needs = _parts()
    chosen, stack = set(), [set(_IDENTIFIER.findall(code))]
    while stack:
        for name in stack.pop():
            number = defined.get(name)
            if number is not None and number not in chosen:
                chosen.add(number)
                stack.append(needs[number])
    return "\n\n".join(parts[n] for n in sorted(chosen))
