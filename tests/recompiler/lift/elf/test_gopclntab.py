"""In: programs with a table of functions as Go's linkers of four times have it. Out: those functions, or none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recompiler.lift.elf import binary, gopclntab

# Three functions, of which the second is reached by no address in the program, as methods are that only reflection
# calls; the header, the rows of functions, and what moduledata says.
SOURCE = """
    .text
    .p2align 4
text: mov $1, %eax
    ret
    .p2align 4
    .globl _start
_start: mov $60, %eax
    xor %edi, %edi
    syscall
again: mov $2, %eax
    jmp again
    .p2align 4
last: ud2
end:
    .data
    .p2align 3
header: .long {magic}
    .byte 0, 0, 1, 8
    .quad {count}
{header}
rows: {rows}
    .p2align 3
    .quad header + 1
moduledata: .quad {pointer}
    .space 168
    .quad {moduledata_text}
"""
PCS = ".quad text, 0, _start, 0, last, 0, end"
OFFSETS = ".long 0, 0, _start - text, 0, last - text, 0, end - text"
REST = ".quad 9, 9, 9, 9"
VERSIONS = {
    "1.2": {"magic": 0xFFFFFFFB, "header": "", "rows": PCS},
    "1.16": {"magic": 0xFFFFFFFA, "header": f".quad 9\n{REST}\n.quad rows - header", "rows": PCS},
    "1.18": {"magic": 0xFFFFFFF0, "header": f".quad 9, text\n{REST}\n.quad rows - header", "rows": OFFSETS},
    "1.20": {"magic": 0xFFFFFFF1, "header": f".quad 9, text\n{REST}\n.quad rows - header", "rows": OFFSETS},
    "1.26": {"magic": 0xFFFFFFF1, "header": f".quad 9, 0\n{REST}\n.quad rows - header", "rows": OFFSETS},
}
PLAIN = {"count": 3, "pointer": "header", "moduledata_text": "text"}


def load(folder: Path, kind: str, **words: object) -> binary.Binary:
    source, out = folder / "table.S", folder / "table"
    source.write_text(SOURCE.format(**{**PLAIN, **words}))
    flags = ["-target", "x86_64-linux-musl", "-nostdlib", *(["-pie"] if kind == "pie" else ["-static"])]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, source, "-o", out]
    subprocess.run(command, check=True, timeout=300)
    return binary.load(out.read_bytes())


@pytest.mark.parametrize("kind", ["exec", "pie"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_functions_of_every_version_are_found(version: str, kind: str, tmp_path: Path) -> None:
    found = load(tmp_path, kind, **VERSIONS[version])
    low, high = found.text[0]
    entry = found.entry
    assert [fde[:3] for fde in gopclntab.read(found)] == [
        (low, entry, 8),
        (entry, entry + 16, 8),
        (entry + 16, high, 8),
    ]
    assert [fde.start for fde in found.fdes] == [low, entry, entry + 16]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.20", {"magic": 0xFFFFFFF2}),
        ("1.20", {"count": 0}),
        ("1.20", {"count": 4}),
        ("1.20", {"count": 1 << 60}),
        ("1.20", {"rows": ".long 0, 0, last - text, 0, _start - text, 0, end - text"}),
        ("1.20", {"rows": ".long 0, 0, _start - text, 0, 1 << 30, 0, end - text"}),
        ("1.20", {"rows": ".long 0, 0, _start - text, 0, last - text, 0, 1 << 30"}),
        ("1.20", {"header": f".quad 9, text\n{REST}\n.quad 1 << 40"}),
        ("1.20", {"header": f".quad 9, text\n{REST}\n.quad -4096"}),
        ("1.20", {"header": f".quad 9, -1\n{REST}\n.quad rows - header", "pointer": "0"}),
        ("1.26", {"pointer": "header + 8"}),
        ("1.26", {"moduledata_text": "header"}),
        ("1.2", {"count": 4}),
    ],
)
def test_what_does_not_hold_together_is_no_table(version: str, words: dict[str, object], tmp_path: Path) -> None:
    assert gopclntab.read(load(tmp_path, "exec", **{**VERSIONS[version], **words})) == []
