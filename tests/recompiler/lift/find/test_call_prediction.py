"""Words that glibc's start fills by asking its resolvers hold what was predicted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recompiler.lift.elf import binary
from recompiler.lift.find import discover
from recompiler.lift.find.call_prediction import CallPrediction
from tests.recompiler.lift.programs.executable import COMPILERS, HOST, PLAIN, Executable, Run

PROGRAM = r"""
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
extern const Elf64_Rela __rela_iplt_start[], __rela_iplt_end[];
void *volatile used[] = {strcpy, strcmp, memcpy, memmove, strchr, strncmp, strcasecmp, memset, strspn, wcslen, strstr};
int main(void) {
    for (const Elf64_Rela *row = __rela_iplt_start; row < __rela_iplt_end; row++)
        printf("%lx %lx\n", (long)row->r_offset, *(long *)row->r_offset);
    return 0;
}
"""


@pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
def test_resolvers_choose_what_was_predicted(tmp_path: Path) -> None:
    compiler = COMPILERS["gcc glibc"]
    if missing := compiler.missing():
        pytest.skip(f"no {missing} here: apt-get install gcc libc6-dev")
    source, path = tmp_path / "resolved.c", tmp_path / "resolved"
    source.write_text(PROGRAM)
    flags = [*PLAIN, *compiler.flags, "-O1", "-static", "-no-pie", "-fno-pie"]
    subprocess.run([*compiler.c, *flags, source, "-o", path], check=True, timeout=120)
    found = Executable(path).outcome("lifted", Run(), tmp_path / "run")
    program = discover.discover(binary.load(path.read_bytes()))
    words = [tuple(int(number, 16) for number in line.split()) for line in found.stdout.splitlines()]
    prediction = CallPrediction(program)
    right = [word for word, value in words if prediction.callee(word) == value]
    assert len(words) >= 20
    assert len(right) * 4 >= len(words) * 3  # glibc 2.36: 30 of 31; strchr has two that need no more than the CPU has
