"""In: forms. Out: how many instructions and states agreed with this CPU; the first state that did not, told in full."""

from __future__ import annotations

import ctypes
import mmap
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recompiler.lift.plan import liveness
from recompiler.lift.x86.decode import Facts
from recompiler.lift.x86.regs import STATUS
from tests.recompiler.lift.oracle.blocks import Generator
from tests.recompiler.lift.oracle.defined import BITS, flags_of
from tests.recompiler.lift.oracle.encode import instructions
from tests.recompiler.lift.oracle.lifted import Case, Lifted, case, touched
from tests.recompiler.lift.oracle.states import Shared, plan, plan_blocks
from tests.recompiler.lift.oracle.tell import tell

SOURCE = Path(__file__).with_name("cpu.c")
TARGET = "x86_64-linux-musl"
ALONE = 8  # a flag wanted alone is computed by the same rules: an eighth of the states shows it


def build(folder: Path) -> Path:
    """Compiles cpu.c."""
    program = folder / "cpu"
    flags = ["-target", TARGET, "-static", "-fno-pie", "-no-pie", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *flags, SOURCE, "-o", program], check=True, timeout=300)
    return program


class Cpu:
    """The process that runs instructions on this CPU, and the file that it shares."""

    def __init__(self, program: Path) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 closed in close
        self.file.truncate(ctypes.sizeof(Shared))
        self.memory = mmap.mmap(self.file.fileno(), ctypes.sizeof(Shared))
        self.shared = Shared.from_buffer(self.memory)
        number = self.file.fileno()
        self.process = subprocess.Popen(
            [program, f"/proc/self/fd/{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[number]
        )

    def ask(self, request: bytes) -> int:
        """One request of cpu.c; -1 for the largest number."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(request)
        self.process.stdin.flush()
        answer = self.process.stdout.read(8)
        if len(answer) != 8:
            raise RuntimeError(f"cpu.c ended with {self.process.wait(5)} in request {request!r}")
        return int.from_bytes(answer, "little", signed=True)

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        del self.shared, self.memory  # closed with the last view of a state
        self.file.close()


@dataclass(slots=True)
class Report:
    """What was run. mismatches: told in full. unlifted: instruction -> the form's reason."""

    forms: int = 0
    instructions: int = 0
    functions: int = 0
    states: int = 0
    faults: int = 0
    mismatches: list[str] = field(default_factory=list)
    unlifted: dict[str, str] = field(default_factory=dict)
    unproved: list[str] = field(default_factory=list)  # forms of which no instruction was run


def wants(facts: Facts, choose: random.Random | None) -> list[int]:
    """All nine flags, then each that the instruction writes alone (or one of them, chosen)."""
    single = [1 << n for n in range(9) if touched(liveness.info(facts)) >> n & 1]
    if choose and single:
        single = [choose.choice(single)]
    return [STATUS, *single]


def check(
    cpu: Cpu, texts: Sequence[str], seed: int, *, instructions_each: int, states: int, faulting: int = 8, every: bool
) -> Report:
    """Runs forms. every: each single flag too, and numbers in encodings of the 8087 that no program makes. faulting: of
    256 memory operands, how many reach out of the window."""
    report = Report(forms=len(texts))
    cases: list[tuple[str, list[Case]]] = []
    choose = None if every else random.Random(seed)
    for text in texts:
        before = len(cases)
        for facts in instructions(text, instructions_each, str(seed)):
            made = [case(facts, want) for want in wants(facts, choose)]
            whole = [each for each in made if each is not None]
            if len(whole) == len(made):
                cases.append((text, whole))
            else:
                report.unlifted[str(facts.insn)] = liveness.info(facts).reason
        if len(cases) == before:
            report.unproved.append(text)
    flat = [each for _, group in cases for each in group]
    if not flat:
        return report
    lifted = Lifted([each.code for each in flat], cpu.file.fileno())
    number = 0
    for text, group in cases:
        _instruction(cpu, lifted, number, text, group, seed, states, faulting, every, report)
        number += len(group)
    return report


def _instruction(
    cpu: Cpu,
    lifted: Lifted,
    number: int,
    text: str,
    group: list[Case],
    seed: int,
    states: int,
    faulting: int,
    every: bool,
    report: Report,
) -> None:
    facts, task = group[0].facts, cpu.shared.task
    report.instructions += 1
    plan(task, facts, random.Random(f"{seed} {facts.raw.hex()}").getrandbits(64), states, faulting, every)
    cpu.ask(b"m")
    cpu.ask(b"r")
    for n, each in enumerate(group):
        task.wanted = flags_of(each.want) | (BITS[1 << 9] if each.want == STATUS else 0)
        task.n = states if n == 0 else min(max(states // ALONE, 32), states)
        lifted.run(number + n, cpu.shared, task.n)
        report.functions += 1
        found = cpu.ask(b"c")
        report.states += task.compared
        report.faults += task.faulted
        if found >= 0:
            report.mismatches.append(tell(f"{text}: want {each.want:#x} seed {seed}", [facts], cpu.shared, found))
            return
    if lifted.stray():
        report.mismatches.append(f"{text}: {facts.insn}: wrote outside of its operands")


def check_blocks(cpu: Cpu, programs: int, seed: int, *, states: int) -> Report:
    """Runs random programs (blocks.py)."""
    generator = Generator(seed)
    made = [generator.program() for _ in range(programs)]
    lifted = Lifted([each.lifted() for each in made], cpu.file.fileno())
    report = Report(functions=programs)
    for number, program in enumerate(made):
        task = cpu.shared.task
        plan_blocks(task, program.facts, program.ranges, generator.choose.getrandbits(64), states)
        task.wanted = flags_of(program.wanted) | BITS[1 << 9]
        cpu.ask(b"m")
        cpu.ask(b"r")
        lifted.run(number, cpu.shared, states)
        found = cpu.ask(b"c")
        report.instructions += program.function.size
        report.states += task.compared
        report.faults += task.faulted
        title = f"program {number} of seed {seed}"
        if found >= 0:
            report.mismatches.append(tell(title, program.facts, cpu.shared, found))
        elif lifted.stray():
            report.mismatches.append(f"{title}: wrote outside of its operands")
    return report
