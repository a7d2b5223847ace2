"""In: the bytes of an x86 instruction. Out: its text in Intel's syntax, as manuals have it."""

from __future__ import annotations

from typing import Final

from iced_x86 import Code, Decoder, Formatter, FormatterSyntax


def _formatter() -> Formatter:
    made = Formatter(FormatterSyntax.INTEL)
    made.hex_prefix, made.hex_suffix = "0x", ""
    made.uppercase_hex = False
    made.space_after_operand_separator = True
    made.branch_leading_zeros = False
    return made


_FORMATTER: Final = _formatter()


def x86(raw: bytes, address: int) -> str:
    """An instruction that stands at this address; `(bad)` for bytes that are none."""
    insn = Decoder(64, raw, ip=address).decode()
    return "(bad)" if insn.code == Code.INVALID else str(_FORMATTER.format(insn))
