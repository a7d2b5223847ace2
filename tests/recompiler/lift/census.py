"""How often each instruction form occurs in Debian's programs, and docs/forms.md, which says what of it is lifted.

python -m tests.recompiler.lift.census count     Debian 12's files, where they are installed -> census.tsv beside this
python -m tests.recompiler.lift.census page      census.tsv and the table of forms -> docs/forms.md
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iced_x86 import Code, CpuidFeature, Decoder, EncodingKind, Instruction, OpCodeInfo

from recompiler.errors import Error
from recompiler.lift import forms
from recompiler.lift.elf import binary
from recompiler.lift.forms.move import CONDITION_NAMES
from tests.testbed import ROOT

COUNTS = Path(__file__).with_name("census.tsv")
PAGE = ROOT / "docs" / "forms.md"
GROUPS = {
    "bash": ("bash", "/usr/bin/bash"),
    "coreutils": ("coreutils", ""),  # every ELF file of the package
    "libc": ("libc6", "/lib/x86_64-linux-gnu/libc.so.6"),
    "python3.11": ("python3.11-minimal", "/usr/bin/python3.11"),
    "libcrypto": ("libssl3", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"),
}
# Control flow, which is no row of the table: the emitter's own (tools/recompiler/lift/emit/body.py).
CONTROL = {
    *(f"J{name}" for name in CONDITION_NAMES),
    *(
        "JMP",
        "CALL",
        "RET",
        "JRCXZ",
        "JECXZ",
        "LOOP",
        "LOOPE",
        "LOOPNE",
        "SYSCALL",
        "UD0",
        "UD1",
        "UD2",
        "INT3",
        "HLT",
        "INT",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """counts: by group. wide: VEX or EVEX."""

    text: str
    wide: bool
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def lifted(self) -> bool:
        return forms.find(self.text) is not None or self.text.split()[0] in CONTROL


def ranges(program: binary.Binary) -> list[tuple[int, int]]:
    """Where code certainly is: FDEs, and functions with a size; merged."""
    found = [(each.start, each.end) for each in program.fdes]
    found += [(each.address, each.address + each.size) for each in program.symbols if each.type == 2 and each.size]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [each for each in merged if program.code_at(each[0])]


def codes(path: Path) -> Counter[int]:
    """Instructions of a file by iced's code."""
    try:
        program = binary.load(path.read_bytes())
    except Error:
        return Counter()
    found: Counter[int] = Counter()
    for start, end in ranges(program):
        decoder = Decoder(64, program.read(start, end - start), ip=start)
        found.update(each.code for each in decoder if each.code != Code.INVALID)  # a constant among code
    return found


def files(package: str, path: str) -> Iterable[Path]:
    if path:
        return [Path(path)]
    listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout.split("\n")
    return [each for each in map(Path, filter(None, listed)) if each.is_file() and each.read_bytes()[:4] == b"\x7fELF"]


@cache
def _codes() -> dict[str, int]:
    """The manual's text -> one of iced's codes."""
    every = (code for name, code in vars(Code).items() if isinstance(code, int) and not name.startswith("_"))
    return {OpCodeInfo(code).instruction_string: code for code in every}


def features(text: str) -> list[int]:
    """What CPUID must name for a form."""
    insn = Instruction()
    insn.code = _codes().get(text, Code.INVALID)
    return list(insn.cpuid_features())


def count() -> str:
    """census.tsv."""
    head = []
    found: dict[tuple[str, bool], list[int]] = {}
    for number, (group, (package, path)) in enumerate(GROUPS.items()):
        query = ["dpkg-query", "-W", "-f", "${Version}", package]
        version = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        head.append(f"{group} {version}")
        for each in files(package, path):
            for code, times in codes(each).items():
                info = OpCodeInfo(code)
                text = info.instruction_string
                key = text, info.encoding not in (EncodingKind.LEGACY, EncodingKind.D3NOW)
                found.setdefault(key, [0] * len(GROUPS))[number] += times
    rows = sorted(found.items(), key=lambda row: (-sum(row[1]), row[0]))
    lines = ["\t".join(["# form", "wide", *head])]
    lines += ["\t".join([text, str(int(wide)), *map(str, counts)]) for (text, wide), counts in rows]
    return "\n".join(lines) + "\n"


def read() -> tuple[list[str], list[Row]]:
    """The groups with their versions, and the rows by frequency."""
    head, *lines = COUNTS.read_text().splitlines()
    rows = []
    for line in lines:
        text, wide, *counts = line.split("\t")
        rows.append(Row(text, wide == "1", tuple(map(int, counts))))
    return head.split("\t")[2:], rows


def page() -> str:
    """docs/forms.md."""
    head, rows = read()
    forms.find("NOP")  # loads the families
    plain = [row for row in rows if not row.wide]
    missing = [row for row in plain if not row.lifted()]
    seen = {row.text for row in rows}
    families = Counter(form.emit.__module__.rpartition(".")[2] for form in forms.TABLE.values())
    out = [INTRODUCTION.format(forms=len(forms.TABLE), seen=sum(text in seen for text in forms.TABLE))]
    out += ["| family | forms |", "|---|---:|"]
    out += [f"| [{name}](../tools/recompiler/lift/forms/{name}.py) | {n} |" for name, n in sorted(families.items())]
    out += ["", SHOWN, COVERAGE]
    out += ["| program | instructions | lifted | without AVX |", "|---|---:|---:|---:|"]
    for number, group in enumerate(head):
        total = sum(row.counts[number] for row in rows)
        narrow = sum(row.counts[number] for row in plain)
        lifted = narrow - sum(row.counts[number] for row in missing)
        out.append(f"| {group} | {total} | {100 * lifted / total:.3f} % | {100 * lifted / narrow:.4f} % |")
    wide = [row for row in rows if row.wide]
    out += ["", MISSING.format(forms=len(missing), wide_forms=len(wide), wide=sum(row.total for row in wide))]
    names = {number: name for name, number in vars(CpuidFeature).items() if isinstance(number, int)}
    out += [
        "| form | CPUID | in all |" + "".join(f" {name} |" for name in GROUPS),
        "|---|---|---:|" + "---:|" * len(GROUPS),
    ]
    for row in missing:
        text = row.text.replace("|", "\\|")
        feature = " ".join(sorted({names[each] for each in features(row.text)}))
        out.append(f"| {text} | {feature} | {row.total} |" + "".join(f" {n or ''} |" for n in row.counts))
    return "\n".join(out) + "\n"


INTRODUCTION = """\
# Instruction forms

What of x86-64 is lifted. This page is made by `python -m tests.recompiler.lift.census page` and checked by a test; the
counts are of Debian 12's files (`tests/recompiler/lift/census.tsv`).

{forms} forms have a row in the table of forms ({seen} of them occur below). Each is compared with the CPU that runs the
tests: registers, vectors, the x87's stack and words, memory, the flags that the manual defines, faults
(`tests/recompiler/lift/oracle`). `make test` runs a few instructions and states of each form, `make figures` 12
instructions and 2,000 states of each, with all flags wanted and with each flag alone. Random functions of a few blocks
show the same of instructions together: what one leaves to the next, with the liveness and the control flow that
emission makes of them.
What is left out stands with its reason in `tests/recompiler/lift/oracle/exclusions.py`; what the manual leaves to each
CPU is not compared, and approximations are compared by the manual's bounds (`defined.py`, `states.py`, `x87.h` there).

Where lifted code is not what the manual or this CPU has:

- CPUID is x86-64-v1: SSE2 and nothing later. TZCNT, LZCNT, POPCNT, MOVBE and others that it does not name do what they
  do on a CPU that has them: compilers write `rep bsf` for both BSF and TZCNT, and a program that does not ask must find
  what its compiler meant. XGETBV is SIGILL.
- Flags that the manual leaves undefined are 0, or what they were, or what the rule for the defined case gives.
- RCPPS, RSQRTPS and their scalar forms give the rounded quotient, the same bits on every CPU.
- MINPS, MAXPS and their like of a register with itself are not lifted.
- The x87 is computed in 80 bits by code of its own (`csrc/x87`), with all rounding and precision modes, stack faults
  and exceptions; the transcendental instructions are correctly rounded but for about one case in 2^50. An exception
  that the control word unmasks is told in the status word and raises no signal. The pointers to the last instruction
  and operand, and its opcode, are 0. MMX works on the same registers.
- A vector operand of 16 bytes that must be aligned and is not: no fault, it is read and written as it lies.
  CMPXCHG16B does fault.
- A repeated MOVS or STOS that runs upward and does not overlap onto itself is one copy: if a page of it faults, nothing
  was written and the registers stand at its start, from where it can go on. The CPU would have written what lies
  before the fault.
- String instructions with 32-bit addresses, LEAVE and ENTER of 16 bits and nested ENTER are not lifted.
- Threads take turns, so LOCK adds nothing.
"""
SHOWN = """\
## Shown

On an AMD EPYC of the third generation, RECOMPILER_SEED=20261121, figures of `make figures`:

| | forms | instructions | states compared | of them faults | differ |
|---|---:|---:|---:|---:|---:|
| each form, all flags wanted, then each flag alone | 1,001 | 11,031 | 30,743,491 | 548,542 | 0 |
| random functions of one to four blocks, 20,000 of them | | 244,400 | 4,000,000 | 186,752 | 0 |
"""
COVERAGE = """\
Share of the instructions that are lifted, by FDEs and symbols of functions. AVX code stands behind IFUNCs and tests of
CPUID, and is not reached.
"""
MISSING = """\
## Not lifted

{forms} forms, by how often they occur. Beside them {wide_forms} forms of AVX and AVX-512 ({wide} instructions).
An instruction that is not lifted is a trap that names it, and a line of the ledger.
"""


def main(words: list[str]) -> int:
    if words == ["count"]:
        COUNTS.write_text(count())
    elif words == ["page"]:
        PAGE.write_text(page())
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
