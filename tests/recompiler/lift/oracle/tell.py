"""In: a state in which CPU and lifted code differ. Out: all that one wants to see of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recompiler.lift.x86.decode import Facts
from recompiler.lift.x86.regs import GPRS
from tests.recompiler.lift.oracle.defined import BITS
from tests.recompiler.lift.oracle.encode import CODE

NAMES = ("CF", "PF", "AF", "ZF", "SF", "DF", "OF", "BE", "L", "LE")
VECTORS = 160  # in FXSAVE's image


def tell(title: str, code: Sequence[Facts], shared: Any, n: int) -> str:
    """Encoding, disassembly, state before, both after."""
    before, native, lifted = shared.inputs[n], shared.native[n], shared.lifted[n]
    mask = shared.task.defined[before.gpr[1] & 63] & shared.task.wanted
    rows = [f"{title} state {n}, mxcsr {shared.task.mxcsr:x}"]
    at = CODE
    for each in code:
        rows.append(f"  {at & 0xFFF:3x} {each.raw.hex():24} {each.insn}")
        at += each.size
    text = " ".join(str(each.insn) for each in code)
    rows.append(f"  {'':6} {'before':>18} {'this CPU':>18} {'lifted':>18}")

    def row(name: str, values: Sequence[int], always: bool = False) -> None:
        if always or len(set(values)) > 1:
            rows.append(f"  {name:6}" + "".join(f" {each:18x}" for each in values) + "  <" * (values[1] != values[2]))

    def image(at: int, size: int) -> list[int]:
        return [int.from_bytes(bytes(each.fx[at : at + size]), "little") for each in (before, native, lifted)]

    row("fault", [each.fault for each in (before, native, lifted)])
    row("at", [each.fault_pc for each in (before, native, lifted)])
    for number, name in enumerate(GPRS):
        row(name, [each.gpr[number] for each in (before, native, lifted)], always=True)
    for number in range(16):
        for half in (8, 0):
            used = f"xmm{number}" in text
            row(f"xmm{number}{'h' if half else 'l'}", image(VECTORS + number * 16 + half, 8), always=used)
    if shared.task.x87:
        parts = [("fcw", 0, 2), ("fsw", 2, 2), ("ftw", 4, 1)]
        parts += [part for n in range(8) for part in ((f"st{n}e", 40 + 16 * n, 2), (f"st{n}m", 32 + 16 * n, 8))]
        for name, at, size in parts:
            row(name, image(at, size))
    for at in range(0, len(before.data), 8):
        row(f"+{at}", [int.from_bytes(bytes(each.data[at : at + 8]), "little") for each in (before, native, lifted)])
    compared = " ".join(NAMES[n] for n, bit in enumerate(sorted(BITS.values())) if mask & bit)
    rows.append(f"  flags before {before.flags:x}, this CPU {native.flags:x}, lifted {lifted.flags:x} ({compared})")
    return "\n".join(rows)
