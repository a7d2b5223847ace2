"""In: a function that is entered at more places than one slot of the pc map can number. Out: each place is reached."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.lift import lifter
from recompiler.lift.elf import binary
from recompiler.lift.emit import objectwriter
from recompiler.lift.find import discover
from recompiler.lift.object import objectfile
from recompiler.lift.object.objectrun import HOST
from tests.recompiler.lift.programs.executable import Executable, Run

DOORS = 2 * (1 << objectfile.ENTRY_BITS) + 100
# All doors are one function's; each is called by its address, and adds to what the process ends with.
SOURCE = f"""
    .text
    .globl _start
    .type _start, @function
_start:
    xor %eax, %eax
    xor %ebx, %ebx
1:  call *table(,%rbx,8)
    inc %ebx
    cmp ${DOORS}, %ebx
    jb 1b
    mov %rax, sum
    mov $1, %eax
    mov $1, %edi
    mov $sum, %esi
    mov $8, %edx
    syscall
    mov $60, %eax
    xor %edi, %edi
    syscall
    .size _start, . - _start
    .type doors, @function
doors:
{"".join(f"door{n}: imul $31, %rax; add ${n}, %rax; ret" + chr(10) for n in range(DOORS))}
    .size doors, . - doors
    .data
    .p2align 3
sum: .quad 0
table: .quad {", ".join(f"door{n}" for n in range(DOORS))}
"""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("entries")
    (folder / "doors.S").write_text(SOURCE)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-nostdlib", "-static", "-no-pie"]
    subprocess.run([*command, folder / "doors.S", "-o", folder / "doors"], check=True, timeout=300)
    return folder / "doors"


def test_the_function_has_several_slots(doors: Path) -> None:
    program = discover.discover(binary.load(doors.read_bytes()))
    counts = [len(function.entries) for function in program.functions]
    assert max(counts) >= DOORS
    largest = counts.index(max(counts))
    assert objectfile.overflowing(counts) == [(largest, 4096), (largest, 8192)]
    lifted = objectfile.read(lifter.lift(doors.read_bytes()).module)
    rows = memoryview(objectfile.pc_map(lifted)).cast("I")
    start = lifted.document["text_start"]
    found = {rows[address - start] for entries in lifted.entries for address in entries}
    assert len(found) == sum(counts)  # every entry has a row of its own
    assert {row >> objectfile.ENTRY_BITS for row in found} == set(range(1, len(counts) + 3))


@pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
def test_every_entry_is_reached(doors: Path, tmp_path: Path) -> None:
    assert Executable(doors).differences(Run(), tmp_path / "run") == []


def test_more_functions_than_the_pc_map_numbers_are_refused() -> None:
    most = [(0,)] * (objectfile.SLOTS - 2)
    objectwriter.fits([*most, (0,)], 1)
    with pytest.raises(Error, match="1048575 are the most"):
        objectwriter.fits([*most, range(5000)], 1)
