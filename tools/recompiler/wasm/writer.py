"""What a module is made of in, its bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from recompiler.format.wasm import PREAMBLE
from recompiler.wasm import leb
from recompiler.wasm.model import FuncType, GlobalType, Limits, TableType, ValueType

# A heap type that is the function type it stands in; its number is known when the type is written.
SELF: Final = 1 << 40


def value_type(type_: ValueType) -> bytes:
    """A value type."""
    return bytes((type_,)) if isinstance(type_, int) else bytes((type_[0],)) + leb.s64(type_[1])


def func_type(type_: FuncType, number: int) -> bytes:
    """The function type of this number."""
    out = [b"\x60"]
    for side in (type_.params, type_.results):
        own = [(t[0], number) if isinstance(t, tuple) and t[1] == SELF else t for t in side]
        out.append(vector([value_type(t) for t in own]))
    return b"".join(out)


def limits(size: Limits) -> bytes:
    """The size of a memory or table."""
    rest = [leb.u32(n) for n in (size.minimum, size.maximum, size.page) if n is not None]
    return bytes((size.flags,)) + b"".join(rest)


def table_type(type_: TableType) -> bytes:
    """A table's type."""
    return value_type(type_.element) + limits(type_.limits)


def global_type(type_: GlobalType) -> bytes:
    """A global's type."""
    return value_type(type_.value) + bytes((type_.mutable,))


def name(text: bytes) -> bytes:
    """A name, or anything else that has its length before it."""
    return leb.u32(len(text)) + text


def vector(items: Sequence[bytes]) -> bytes:
    """Items with their count before them."""
    return leb.u32(len(items)) + b"".join(items)


def custom(title: bytes, contents: bytes) -> bytes:
    """A custom section."""
    return section(0, name(title) + contents)


def section(id_: int, contents: bytes) -> bytes:
    """A section."""
    return bytes((id_,)) + name(contents)


def module(sections: Iterable[tuple[int, Sequence[bytes]]], data_count: int, customs: Iterable[bytes]) -> bytes:
    """A module of the vectors that are not empty, in the order given; the data count goes before the code."""
    out = [PREAMBLE]
    for id_, items in sections:
        if id_ == 10 and data_count:
            out.append(section(12, leb.u32(data_count)))
        if items:
            out.append(section(id_, vector(items)))
    return b"".join([*out, *customs])
