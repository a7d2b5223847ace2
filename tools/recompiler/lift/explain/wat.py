"""In: a stretch of a lifted function's code. Out: its instructions as WAT, with the names of regs.py and asm.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from recompiler.lift.asm.assembler import FUNCTION
from recompiler.lift.x86 import regs
from recompiler.lift.x86.regs import FIRST_TEMPORARY, FLAG, FLAGS, GPR, GPRS, SWITCH, TEMPORARIES, XMM
from recompiler.wasm import scan, wat
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import VOID
from recompiler.wasm.wat import TYPE_NAMES

_MEMORIES: Final = ("", "$pcmap", "$x87")
_COMPOSITES: Final = {regs.BE: "be", regs.L: "l", regs.LE: "le"}
FLAG_NAMES: Final = {**FLAGS, **_COMPOSITES}  # the flag's bit -> its name


def _locals() -> list[str]:
    names = {regs.ENTRY: "entry", SWITCH: "switch"}
    names |= {GPR + n: name for n, name in enumerate(GPRS)}
    names |= {XMM + n: f"xmm{n}" for n in range(16)}
    names |= {FLAG + bit.bit_length() - 1: name for bit, name in FLAG_NAMES.items()}
    at = FIRST_TEMPORARY
    for type_, count in TEMPORARIES:
        names |= {at + n: f"{TYPE_NAMES[type_]}_{n}" for n in range(count)}
        at += count
    return [names[n] for n in range(at)]


LOCALS: Final = _locals()
GLOBALS: Final = [name for name, _ in regs.GLOBALS]
_RUNTIME: Final = {number: name for name, number in FUNCTION.items()}


def _memarg(cursor: Cursor) -> str:
    memory = cursor.u32() & scan.MEMARG_HAS_MEMORY and cursor.u32()
    offset = cursor.u64()
    return " ".join(filter(None, (_MEMORIES[memory], f"offset={offset}" if offset else "")))


def _block_type(cursor: Cursor) -> str:
    byte = cursor.byte()
    return "" if byte == VOID else f"(result {TYPE_NAMES.get(byte, '...')})"


# Letter of opcodes.py -> the text of that immediate; the others are wasm.wat's.
_IMMEDIATES: Final[dict[str, Callable[[Cursor], str]]] = {
    **wat.PLAIN,
    "x": lambda cursor: _name(LOCALS, cursor.u32()),
    "g": lambda cursor: _name(GLOBALS, cursor.u32()),
    "M": lambda cursor: _MEMORIES[cursor.u32()],
    "m": _memarg,
    "b": _block_type,
    "l": lambda cursor: str(cursor.u32()),
    "L": lambda cursor: " ".join(str(cursor.u32()) for _ in range(cursor.u32() + 1)),
    "n": lambda cursor: str(cursor.byte()),
    "t": lambda cursor: f"(type {cursor.u32()})",
    "T": lambda cursor: _name(("code",), cursor.u32()),
    "V": lambda cursor: " ".join(TYPE_NAMES.get(cursor.byte(), "...") for _ in range(cursor.u32())),
}


def _name(names: Sequence[str], number: int) -> str:
    return f"${names[number]}" if number < len(names) else str(number)


class Printer:
    """Prints code piece by piece; the depth of blocks is kept from one piece to the next.

    function: the text of a function of the guest, by its index.
    """

    def __init__(self, function: Callable[[int], str]) -> None:
        self.function = function
        self.depth = 0

    def lines(self, code: bytes) -> Iterator[str]:
        """One line an instruction. Raises Error E_WASM_INVALID for what is none."""
        cursor = Cursor(code, 0, len(code))
        while cursor.at < cursor.end:
            opcode = scan.opcode(cursor)
            words = [word for letter in opcode.immediates if (word := self._immediate(letter, cursor))]
            if opcode.name in ("end", "else"):
                self.depth = max(self.depth - 1, 0)
            yield "  " * self.depth + " ".join([opcode.name, *words])
            self.depth += opcode.name in ("if", "else", "block", "loop")

    def _immediate(self, letter: str, cursor: Cursor) -> str:
        if letter == "f":
            number = cursor.u32()
            return f"${_RUNTIME[number]}" if number in _RUNTIME else self.function(number)
        if letter not in _IMMEDIATES:
            raise cursor.fail("an instruction that no lifted function has")
        return _IMMEDIATES[letter](cursor)
