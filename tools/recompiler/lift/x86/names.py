"""In: iced's numbers of registers and of sizes of memory operands. Out: what they are."""

from __future__ import annotations

from typing import Final

from iced_x86 import MemorySize, MemorySizeInfo, Register, RegisterInfo


def _register(register: int) -> tuple[str, int, int, bool]:
    """Kind, number, bits and whether it is AH CH DH BH."""
    info = RegisterInfo(register)  # type: ignore[arg-type]  # the stubs' enumerations are ints at run time
    if Register.AL <= register <= Register.R15:
        high = Register.AH <= register <= Register.BH
        full = RegisterInfo(info.full_register).number
        return "gpr", full, info.size * 8, high
    kinds = (
        ("xmm", Register.XMM0, Register.XMM15),
        ("st", Register.ST0, Register.ST7),
        ("mm", Register.MM0, Register.MM7),
    )
    for kind, first, last in kinds:
        if first <= register <= last:
            return kind, register - first, {"xmm": 128, "st": 80, "mm": 64}[kind], False
    return "other", info.number, info.size * 8, False


REGISTERS: Final = {register: _register(register) for register in range(1, Register.R15 + 1)} | {
    register: _register(register)
    for first, last in (
        (Register.ES, Register.GS),
        (Register.XMM0, Register.XMM15),
        (Register.ST0, Register.ST7),
        (Register.MM0, Register.MM7),
    )
    for register in range(first, last + 1)
}


def _memory_bits() -> dict[int, int]:
    return {
        size: MemorySizeInfo(size).size * 8  # type: ignore[arg-type]
        for name, size in vars(MemorySize).items()
        if isinstance(size, int) and not name.startswith("_")
    }


MEMORY_BITS: Final = _memory_bits()
