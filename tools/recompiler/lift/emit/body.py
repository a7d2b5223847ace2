"""In: a function, solved and laid out. Out: the body of its wasm function, and the places in it that hold addresses.

return address pushed, dirty registers to the globals, call, result compared with the return address:
equal: on at the return site's resume node, which takes what is live there out of the globals;
not equal: returned upward, until somebody's return address is equal, or to `run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from iced_x86 import Code, Mnemonic

from recompiler.lift.asm.assembler import FIRST, Asm
from recompiler.lift.asm.flags import CONDITIONS
from recompiler.lift.emit import stack, templates
from recompiler.lift.emit.code import EXIT, PC, Writer
from recompiler.lift.find.function import JumpTable
from recompiler.lift.plan import liveness
from recompiler.lift.plan.flow import Flow, Node
from recompiler.lift.plan.links import Links, fixed
from recompiler.lift.plan.shape import Edge, Shape
from recompiler.lift.x86 import regs
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, COND, JUMP, JUMP_INDIRECT, NEXT, RET, SYSCALL, TRAP, Facts
from recompiler.lift.x86.regs import FLAG_BIT, GPR, R11, RAX, RCX, RSP, STATUS, SWITCH
from recompiler.wasm import leb

SIGILL, SIGTRAP, SIGSEGV = 4, 5, 11
EFLAGS_AFTER_SYSCALL: Final = 0x202  # r11; the status flags are not put there
Marks = list[tuple[int, int]]  # (offset in the code, address of the instruction whose wasm begins there; 0: none)
_SYSCALL_ARGUMENTS: Final = (RAX, regs.RDI, regs.RSI, regs.RDX, regs.R10, regs.R8, regs.R9)
_FAULTS: Final[dict[int, int]] = {Mnemonic.INT3: SIGTRAP, Mnemonic.HLT: SIGSEGV, Mnemonic.INT: SIGSEGV}
_BY_RCX: Final = (Code.JRCXZ_REL8_64, Code.LOOP_REL8_64_RCX, Code.LOOPE_REL8_64_RCX, Code.LOOPNE_REL8_64_RCX)
_BY_ECX: Final = (Code.JECXZ_REL8_64, Code.LOOP_REL8_64_ECX, Code.LOOPE_REL8_64_ECX, Code.LOOPNE_REL8_64_ECX)


@dataclass(slots=True)
class Body:
    """A wasm function. code: its locals and instructions. places: (offset in code, address) of five-byte constants.

    unlifted: (address, reason).
    """

    code: bytes
    places: list[tuple[int, int]]
    unlifted: list[tuple[int, str]]


def emit(flow: Flow, shape: Shape, links: Links, marks: Marks | None = None) -> Body:
    """The body of a function that is solved and laid out; marks is filled."""
    return _Emitter(flow, shape, links, marks).run()


class _Emitter(Writer):
    def __init__(self, flow: Flow, shape: Shape, links: Links, marks: Marks | None) -> None:
        super().__init__(shape, links)
        self.flow = flow
        self.marks = marks
        self.numbers = links.numbers
        self.unlifted: list[tuple[int, str]] = []
        self.site = {node: address for address, node in flow.resume.items()}

    def run(self) -> Body:
        shape_ = self.shape
        stack = [EXIT]
        for at, number in enumerate(shape_.order):
            self.at = at
            self.mark(0)
            for _ in range(shape_.closes.get(at, 0)):
                del self.labels[stack.pop()]
                self.out.append(0x0B)
            for is_loop, target in shape_.opens.get(at, ()):
                self.out += b"\x03\x40" if is_loop else b"\x02\x40"
                self.labels[target] = len(stack)
                stack.append(target)
            self.height = len(stack)
            self.one(number)
        self.out += b"\x0b" * shape_.closes.get(len(shape_.order), 0)
        self.out += b"\x00\x0b"
        self.get(PC)
        self.op(0x0B)
        return Body(bytes(self.out), self.places, self.unlifted)

    # ---- pieces

    def mark(self, address: int) -> None:
        """What comes belongs to the instruction at this address, or to none (0)."""
        if self.marks is not None:
            self.marks.append((len(self.out), address))

    def leaving(self, node: Node) -> None:
        """What is dirty, and the flags that the other side reads, into the globals."""
        self.spill(node.dirty | node.flags_out << FLAG_BIT)

    # ---- nodes

    def one(self, number: int) -> None:
        edges = self.shape.edges[number]
        flow = self.flow
        if number == 0:
            self.dispatch(edges)
            self.reload(flow.live_at(flow.function.start))
            self.go(edges[0])
        elif number in self.shape.dispatches:
            self.dispatch(edges)
            self.go(edges[0])
        elif number in self.shape.stubs:
            self.i32(0)
            self.set(regs.ENTRY)
            self.go(edges[0])
        elif number in self.site:
            self.reload(flow.live_at(self.site[number]))
            if self.shape.dispatches:
                self.i32(0)
                self.set(regs.ENTRY)
            self.go(edges[0])
        elif number <= len(flow.blocks):
            self.block(flow.node(number), {flow.goal(edge.key): edge for edge in edges})
        elif number in flow.landed:
            self.spill(flow.landed[number])
            self.go(edges[0])
        else:
            hub = flow.node(number)
            self.by_table(hub, {flow.goal(edge.key): edge for edge in edges})
            self.away(hub)

    def block(self, node: Node, edges: Mapping[int, Edge]) -> None:
        block, infos = node.block, node.infos
        falls = block.flow == NEXT
        count = len(infos) if falls else len(infos) - 1
        wants = self.wants(node)
        address = block.start
        if node.safepoint:
            self.mark(address)
            self.safepoint(node)
        out, table, marked = self.out, node.table, self.marks is not None
        row: list[Facts] = []  # pushes or pops
        for facts, info, want in zip(block.facts[:count], infos, wants, strict=False):
            if row and not (facts.code in stack.ROWS and stack.joins(facts, row)):
                self.stack(row, address)
                row.clear()
            if facts.code in stack.ROWS:
                row.append(facts)
                address += facts.size
                continue
            if marked:
                self.mark(address)
            if table is not None and address == table.load:
                self.capture(table)
            made = info.templates.get(want) or templates.template(facts, info, want)
            if made is None:
                self.stop(address, info.reason)
                return
            address += facts.size
            code, places = made
            if not places:
                out += code
            elif not self.code(code, places, address):
                self.stop(address - facts.size, "an address beyond 2 GiB")
                return
        self.stack(row, address)
        if falls:
            self.leave_or_go(node, edges, block.end)
        else:
            self.mark(address)
            self.terminator(node, edges, address)

    def stack(self, row: list[Facts], end: int) -> None:
        """Pushes or pops that end at this address."""
        if len(row) > 1:
            pieces: Sequence[bytes] = stack.wasm(row[0].code, tuple(map(stack.register, row)))
        else:
            pieces = [made[0] for facts in row if (made := templates.template(facts, liveness.info(facts), 0))]
        address = end - sum(facts.size for facts in row)
        for facts, piece in zip(row, pieces, strict=True):
            self.mark(address)
            self.out += piece
            address += facts.size

    def safepoint(self, node: Node) -> None:
        """Leaves when a signal waits, to come back here."""
        flags = self.flow.flags_resumed(node.block.start)
        self.pending()
        self.op(0x04, 0x40)
        self.spill(node.dirty_in & node.live_in | flags << FLAG_BIT)
        self.address(node.block.start)
        self.set(PC)
        self.exit(1)
        self.op(0x0B)

    def wants(self, node: Node) -> list[int]:
        """For each instruction the flags that are read after it."""
        live = node.live_out >> FLAG_BIT & STATUS
        wants = [0] * len(node.infos)
        for n in range(len(node.infos) - 1, -1, -1):
            known = node.infos[n]
            if known.flag_write or known.flag_use:
                wants[n] = live & touched(known.flag_write)
                live = liveness.flags_before(known, live)
        return wants

    def capture(self, table: JumpTable) -> None:
        """SWITCH = the index; a number beyond every table when it is one, or when the table's guard does not hold.

        With a table that is checked any number will do.
        """
        self.get(GPR + table.index)
        self.op(0xA7)
        if table.checked:
            self.set(SWITCH)
            return
        self.i32(-1)
        self.get(GPR + table.index)
        self.i64(len(table.targets))
        self.op(0x54)
        if table.guard is not None:
            register, value = table.guard
            self.get(GPR + register)
            self.address(value)
            self.op(0x51, 0x71)
        self.op(0x1B)
        self.set(SWITCH)

    def stop(self, address: int, reason: str) -> None:
        """An instruction without wasm."""
        self.unlifted.append((address, reason))
        self.address(address)
        self.call("unlifted")
        self.op(0x00)

    def leave_or_go(self, node: Node, edges: Mapping[int, Edge], address: int) -> None:
        """On at an address: a node of ours, or a jump out of the function."""
        number = self.flow.number.get(address)
        if number is not None:
            self.go(edges[number])
        else:
            self.leave(node, address)

    def leave(self, node: Node, address: int, more: int = 0) -> None:
        """A jump to another function, after which nothing follows."""
        stub = self.links.stubs.get(address)
        if stub is not None:
            self.operand(*stub)
            self.leaving(node)
            self.jump(more)
            return
        self.leaving(node)
        found = self.numbers.get(address)
        if found is not None:  # functions that jump to each other can be a loop
            self.address(address)
            self.set(PC)
            self.pending()
            self.exit_if(more)
            self.i32(found[1])
            self.out += b"\x12" + leb.u32(FIRST + found[0])
        else:
            self.address(address)
            self.set(PC)
            self.exit(more)

    # ---- terminators

    def terminator(self, node: Node, edges: Mapping[int, Edge], address: int) -> None:
        flow = node.block.flow
        facts = node.block.facts[-1]
        if flow == JUMP:
            self.leave_or_go(node, edges, self.flow.target(node.block))
        elif flow == COND:
            self.conditional(node, edges, facts)
        elif flow == CALL:
            self.push_return(node.block.end)
            self.call_known(node, self.flow.target(node.block))
            self.returned(node, edges)
        elif flow == CALL_INDIRECT:
            self.operand(facts, node.block.end)
            self.push_return(node.block.end)
            self.leaving(node)
            self.enter_by(fixed(facts, node.block.end))
            self.returned(node, edges)
        elif flow == JUMP_INDIRECT:
            self.indirect_jump(node, edges, facts)
        elif flow == RET:
            self.ret(node, facts)
        elif flow == SYSCALL:
            self.syscall(node, edges)
        elif flow == TRAP and facts.mnemonic in (Mnemonic.UD2, Mnemonic.UD1, Mnemonic.UD0, *_FAULTS):
            self.leaving(node)
            self.i32(_FAULTS.get(facts.mnemonic, SIGILL))
            self.address(node.block.end if facts.mnemonic == Mnemonic.INT3 else address)
            self.call("fault")
            self.op(0x00)
        else:
            self.stop(address, node.infos[-1].reason or "not an instruction of user code")

    def call_known(self, node: Node, target: int) -> None:
        """A direct call: to a function, to what a stub's word says, or to a place that the pc map may not have."""
        stub = self.links.stubs.get(target)
        if stub is not None:
            self.operand(*stub)
            self.leaving(node)
            self.enter_by(fixed(*stub), target)
        elif target in self.numbers:
            self.leaving(node)
            self.call_function(target)
        else:
            self.address(target)
            self.set(PC)
            self.leaving(node)
            self.enter()

    def conditional(self, node: Node, edges: Mapping[int, Edge], facts: Facts) -> None:
        insn = facts.insn
        if facts.code in _BY_RCX or facts.code in _BY_ECX:  # LOOPE and LOOPNE have a condition too
            self.counter(facts)
        elif insn.condition_code:
            flag, opposite = CONDITIONS[insn.condition_code]
            self.get(regs.flag_local(flag))
            if opposite:
                self.op(0x45)
        else:
            self.stop(node.block.end - facts.size, str(insn.op_code().instruction_string))
            return
        taken = self.flow.target(node.block)
        number = self.flow.number.get(taken)
        if number is not None:
            self.go_if(edges[number])
        else:
            self.op(0x04, 0x40)
            self.leave(node, taken, 1)
            self.op(0x0B)
        self.leave_or_go(node, edges, node.block.end)

    def counter(self, facts: Facts) -> None:
        """JRCXZ; LOOP, LOOPE, LOOPNE: RCX decremented, no flags written. All the same with ECX."""
        wide = facts.code in _BY_RCX
        kind = (_BY_RCX if wide else _BY_ECX).index(facts.code)
        self.get(GPR + RCX)
        if kind:
            self.i64(-1)
            self.op(0x7C)
        if not wide:
            self.i64(0xFFFFFFFF)
            self.op(0x83)
        if not kind:
            self.op(0x50)
            return
        self.op(0x22, GPR + RCX, 0x50, 0x45)
        if kind > 1:
            self.get(regs.flag_local(regs.Z))
            if kind == 3:
                self.op(0x45)
            self.op(0x71)

    def returned(self, node: Node, edges: Mapping[int, Edge]) -> None:
        """A pc is on the stack: on at the return site if it is that."""
        site = self.flow.resume.get(node.block.end)
        if site is None:
            self.op(0x0F)
            return
        self.out += b"\x22" + leb.u32(PC)
        self.address(node.block.end)
        self.op(0x52)
        self.exit_if()
        if node.looks:  # all is in the globals
            self.pending()
            self.exit_if()
        self.go(edges[site])

    def operand(self, facts: Facts, end: int) -> None:
        """The target of an indirect branch into PC."""
        asm = Asm(facts.insn)
        asm.get(asm.read(0, 64))
        if not self.code(bytes(asm.out), asm.holes, end):
            self.i64(-1)
        self.set(PC)

    def indirect_jump(self, node: Node, edges: Mapping[int, Edge], facts: Facts) -> None:
        table = node.table
        jump = node.block.end - facts.size
        if table is not None and table.load == jump:  # jmp [table + index * 8]
            self.capture(table)
        hub = self.flow.hub.get(jump)
        if hub is not None:
            self.operand(facts, node.block.end)
            self.go(edges[hub])
        elif table is not None and not table.checked:
            self.by_table(node, edges)
            self.operand(facts, node.block.end)
            self.leaving(node)
            self.exit()
        else:
            self.operand(facts, node.block.end)
            if table is not None:
                self.by_table(node, edges)
            self.away(node)

    def by_table(self, node: Node, edges: Mapping[int, Edge]) -> None:
        """On by SWITCH and, if the table has to be checked, PC; behind it when they do not say where, or a signal
        waits."""
        table = node.table
        assert table is not None
        number = self.flow.number
        arms = [edges[number[target]] if target in number else None for target in table.targets]
        checks = None
        if table.checked:
            checks = {edges[number[target]].key: target for target in table.targets if target in number}
        if node.looks:
            self.op(0x02, 0x40)
            self.pending()
            self.op(0x0D, 0)
            self.height += 1
        self.switch(arms, b"\x20" + leb.u32(SWITCH), checks)
        if node.looks:
            self.height -= 1
            self.op(0x0B)

    def away(self, node: Node) -> None:
        """A jump to PC, wherever it is."""
        self.leaving(node)
        self.jump()

    def ret(self, node: Node, facts: Facts) -> None:
        pops = 8 + (facts.insn.immediate16 if facts.code == Code.RETNQ_IMM16 else 0)
        self.get(GPR + RSP)
        self.op(0xA7, 0x29, 0x00, 0x00)
        self.set(PC)
        self.get(GPR + RSP)
        self.i64(pops)
        self.op(0x7C)
        self.set(GPR + RSP)
        self.leaving(node)
        self.get(PC)
        self.op(0x0F)

    def syscall(self, node: Node, edges: Mapping[int, Edge]) -> None:
        """All registers are in the globals before and after; RCX and R11 are the CPU's to change."""
        following = node.block.end
        site = self.flow.resume.get(following)
        self.address(following)
        self.set(GPR + RCX)
        self.i64(EFLAGS_AFTER_SYSCALL)
        self.set(GPR + R11)
        self.leaving(node)
        if site is not None:
            self.spill(self.flow.flags_resumed(following) << FLAG_BIT)
        for register in _SYSCALL_ARGUMENTS:
            self.get(GPR + register)
        self.address(following)
        self.call("syscall")
        self.set(PC)
        self.out += b"\x24" + leb.u32(RAX)
        self.get(PC)
        self.returned(node, edges)


@cache
def touched(written: int) -> int:
    """Flags that a writer of these may have to compute."""
    mask = written
    for composite, parts in regs.PARTS.items():
        if written & parts:
            mask |= composite
    return mask
