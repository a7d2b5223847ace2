"""In: a seed. Out: small functions of random instructions: blocks with jumps forward and perhaps one counted loop, as
bytes for the CPU and as a Function for the lifter; and which flags are defined where they end.

Some registers hold addresses and counts and are not written, so that each operand in memory lies in the window. What
the manual leaves undefined is not read: the generator follows it as it goes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from iced_x86 import Instruction, MemorySizeInfo, Mnemonic, OpKind, Register

from recompiler.lift import forms
from recompiler.lift.asm import flags
from recompiler.lift.emit import templates
from recompiler.lift.emit.body import emit
from recompiler.lift.emit.places import place
from recompiler.lift.find.function import Block, Function
from recompiler.lift.lifter import plan
from recompiler.lift.plan import liveness
from recompiler.lift.plan.flow import FlagsAcross, primitives
from recompiler.lift.plan.links import Links
from recompiler.lift.x86.decode import COND, NEXT, Facts, facts
from recompiler.lift.x86.regs import PRIMITIVE, R9, RBX, RCX, RDI, RSI, RSP, STATUS, C, Z
from tests.recompiler.lift.oracle.defined import NOTHING, TRANSCENDENTAL, defined, flags_of, reads
from tests.recompiler.lift.oracle.encode import CODE, MIDDLE, WINDOW, instructions
from tests.recompiler.lift.oracle.exclusions import NOT_COMPARED, absent
from tests.recompiler.lift.oracle.states import ACROSS, APPROXIMATE, SCANS, UNALIGNED

R13, R15 = 13, 15
PAGE = 4096
# Register -> (least, greatest) at the start: addresses in the window's data, R9 an index, R15 and RCX counts.
POINTERS: Final = {RBX: (MIDDLE,) * 2, R13: (WINDOW + 128,) * 2, RSP: (WINDOW + 2 * PAGE - 128,) * 2, R9: (0, 15)}
STRINGS: Final = {RSI: (MIDDLE - 64,) * 2, RDI: (MIDDLE + 64,) * 2, RCX: (0, 4)}
COUNT: Final = {R15: (1, 3)}
_M = Mnemonic
_STACK: Final = {_M.PUSH, _M.POP, _M.PUSHFQ}
_LEFT_OUT: Final = {
    *TRANSCENDENTAL,
    *APPROXIMATE,
    *ACROSS,
    *(
        _M.STMXCSR,
        _M.LDMXCSR,
        _M.POPFQ,
        _M.POPF,
        _M.WRFSBASE,
        _M.WRGSBASE,
        _M.ENTER,
        _M.LEAVE,
        _M.XLATB,
        _M.MASKMOVDQU,
        _M.MASKMOVQ,
    ),
    # The x87's status word has bits that the manual leaves undefined, and images of the state have more.
    *(_M.FNSTSW, _M.FXAM, _M.FLDCW, _M.FNSTCW, _M.FNSTENV, _M.FLDENV, _M.FNSAVE, _M.FRSTOR, _M.FBLD, _M.FNINIT),
    *(_M.FXSAVE, _M.FXSAVE64, _M.FXRSTOR, _M.FXRSTOR64, _M.FPREM, _M.FPREM1),
}
_DECREMENT: Final = facts(bytes.fromhex("49ffcf"))  # dec r15
_JNE: Final = b"\x0f\x85"
_SHORT: Final = {b"\xe3": 0, b"\xe2": 0, b"\xe1": Z, b"\xe0": Z}  # JRCXZ, LOOP, LOOPE, LOOPNE -> flags read
_COUNTERS: Final = {**_SHORT, **{b"\x67" + opcode: flag for opcode, flag in _SHORT.items()}}  # by RCX, and by ECX


@dataclass(frozen=True, slots=True)
class Jump:
    """opcode: what stands before the distance, which has a byte behind a counter, else four. target: number of a block,
    or of the end."""

    opcode: bytes
    target: int


@dataclass(frozen=True, slots=True)
class Program:
    """code: for the CPU; it ends by falling out. wanted: flags that are compared where it ends, all of them defined."""

    code: bytes
    function: Function
    wanted: int
    ranges: dict[int, tuple[int, int]]

    @property
    def facts(self) -> list[Facts]:
        return [each for block in self.function.blocks.values() for each in block.facts]

    def lifted(self) -> bytes:
        """The body of the wasm function."""
        across = FlagsAcross(entries={CODE + len(self.code): self.wanted})
        body = emit(*plan(self.function, across), Links())
        assert not body.unlifted, body.unlifted
        code = bytearray(body.code)
        for offset, address in body.places:
            code[offset : offset + 5] = place(address)
        return bytes(code)


class Generator:
    """Programs, one after the other."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        forms.find("NOP")
        every = sorted(text for text in forms.TABLE if text not in NOT_COMPARED and not absent(text))
        self.x87 = [text for text in every if text[0] == "F"]
        self.vector = [text for text in every if "xmm" in text]
        self.integer = [text for text in every if text[0] != "F" and "xmm" not in text]

    def program(self) -> Program:
        kind = self.choose.choice(("plain", "plain", "stack", "strings", "loop", "loop", "x87"))
        ranges = POINTERS | {"strings": STRINGS, "loop": COUNT}.get(kind, {})
        self.stack, self.strings = kind == "stack", kind == "strings"
        self.kept = sum(1 << register for register in ranges)
        self.families = [self.integer, self.integer, self.vector, *([self.x87] * 3 if kind == "x87" else [])]
        while True:
            made = self._blocks(ranges, kind == "loop")
            if made is not None:
                return made

    def _blocks(self, ranges: dict[int, tuple[int, int]], loop: bool) -> Program | None:
        choose = self.choose
        count = choose.randint(1, 4)
        header, latch = sorted((choose.randrange(count), choose.randrange(count))) if loop else (-1, -1)
        undefined = [0] * (count + 1)  # where a block begins; the last: the end
        bodies: list[list[Facts]] = []
        jumps: list[Jump | None] = []
        for n in range(count):
            if n == header:
                undefined[n] = PRIMITIVE  # of what comes round nothing is known
            body, after = self._body(choose.randint(1, 7), undefined[n])
            jump = None
            if n == latch:
                body.append(_DECREMENT)
                after &= C
                jump = Jump(_JNE, header)
            elif choose.random() < 0.8:
                jump = self._jump(choose.randint(n + 1, count), after)
            if jump is not None and jump.target > n:
                undefined[jump.target] |= after
            undefined[n + 1] |= after
            bodies.append(body)
            jumps.append(jump)
        return _encoded(bodies, jumps, ranges, PRIMITIVE & choose.getrandbits(6) & ~undefined[count])

    def _jump(self, target: int, undefined: int) -> Jump | None:
        conditions = flags.CONDITIONS.items()
        found = [bytes((0x0F, 0x7F + code)) for code, (flag, _) in conditions if not primitives(flag) & undefined]
        if not self.kept >> RCX & 1 and self.choose.random() < 0.2:
            found = [opcode for opcode, flag in _COUNTERS.items() if not flag & undefined]
        return Jump(self.choose.choice(found), target) if found else None

    def _body(self, count: int, undefined: int) -> tuple[list[Facts], int]:
        body: list[Facts] = []
        while len(body) < count:
            text = self.choose.choice(self.choose.choice(self.families))
            seed = str(self.choose.getrandbits(32))
            for each in instructions(text, 1, seed, self._memory, self.choose.getrandbits(6)):
                if self._serves(each, undefined):
                    body.append(each)
                    undefined = _after(each, undefined)
        return body, undefined

    def _memory(self, insn: Instruction, number: int, choose: random.Random) -> None:
        """An operand within the data that surrounds the pointers; a large one aligned, as it may have to be."""
        size = MemorySizeInfo(insn.op_code().memory_size).size
        step = 16 if size >= 16 and insn.mnemonic not in UNALIGNED else 8 if insn.op_code().can_use_lock_prefix else 1
        bases = (Register.RBX, Register.RBX, Register.R13, Register.RSP)
        base = choose.choice(bases[:3] if step == 16 else bases)  # RSP moves
        low, high = {Register.RBX: (-240, 90), Register.R13: (-128, 90), Register.RSP: (0, 16)}[base]
        displacement = choose.randrange(low, max(high - size, low) + 1)
        if base != Register.RSP and step == 1 and choose.random() < 0.3:
            insn.memory_index, insn.memory_index_scale = Register.R9, choose.choice((1, 2, 4))
            displacement = min(displacement, 0)
        insn.memory_base = base
        insn.memory_displacement = displacement // step * step & (1 << 64) - 1
        insn.memory_displ_size = choose.choice((1, 4)) if -128 <= displacement < 128 else 4

    def _serves(self, each: Facts, undefined: int) -> bool:
        insn = each.insn
        known = liveness.info(each)
        if insn.mnemonic in _LEFT_OUT or insn.code in SCANS or templates.template(each, known, STATUS) is None:
            return False
        if reads(insn) & flags_of(undefined):
            return False
        if any(mask & NOTHING for mask in defined(insn)):
            return False
        if insn.is_string_instruction:
            narrow = {insn.op0_kind, insn.op1_kind} & {OpKind.MEMORY_ESEDI, OpKind.MEMORY_SEG_ESI}
            return self.strings and not narrow
        if insn.mnemonic in _STACK:
            sp = insn.op0_register in (Register.SP, Register.RSP)
            return self.stack and not sp and not each.writes & self.kept & ~(1 << RSP)
        bit_offset = insn.op0_kind == OpKind.MEMORY and insn.mnemonic in (_M.BT, _M.BTS, _M.BTR, _M.BTC)
        if bit_offset and insn.op1_kind == OpKind.REGISTER:
            return False
        return not each.writes & self.kept


def _after(each: Facts, undefined: int) -> int:
    """The primitive flags that are undefined after an instruction."""
    known = liveness.info(each)
    if known.form is not None and not known.form.keeps:
        undefined &= ~known.flag_write
    sure = -1
    for mask in defined(each.insn):
        sure &= mask
    return undefined | sum(flag for flag in (1 << n for n in range(6)) if not sure & flags_of(flag))


def _encoded(
    bodies: list[list[Facts]], jumps: list[Jump | None], ranges: dict[int, tuple[int, int]], wanted: int
) -> Program | None:
    """Bytes and blocks; None where a short jump does not reach."""
    starts = [CODE]
    for body, jump in zip(bodies, jumps, strict=True):
        size = 0 if jump is None else len(jump.opcode) + (1 if jump.opcode in _COUNTERS else 4)
        starts.append(starts[-1] + sum(each.size for each in body) + size)
    function = Function(CODE, "random", entries=[CODE])
    code = b""
    for n, (body, jump) in enumerate(zip(bodies, jumps, strict=True)):
        start, end = starts[n], starts[n + 1]
        rows, succ, flow = list(body), [end], NEXT
        if jump is not None:
            target = starts[jump.target]
            if jump.opcode in _COUNTERS:
                if not -128 <= target - end < 128:
                    return None
                raw = jump.opcode + bytes((target - end & 0xFF,))
            else:
                raw = jump.opcode + (target - end).to_bytes(4, "little", signed=True)
            rows.append(facts(raw))
            succ.append(target)
            flow = COND
        inside = tuple(address for address in succ if address != starts[-1])
        function.blocks[start] = Block(start, end, rows, flow, inside, None)
        code += b"".join(each.raw for each in rows)
    return Program(code, function, wanted, ranges)
