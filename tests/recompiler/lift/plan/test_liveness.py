"""Liveness and flow: what they say of random functions is what a search along every path says, bit by bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from recompiler.lift import lifter
from recompiler.lift.emit import templates
from recompiler.lift.find.function import Block, Function
from recompiler.lift.plan import liveness
from recompiler.lift.plan.flow import LEAVES, SYSCALL_USE, FlagsAcross, Flow
from recompiler.lift.plan.liveness import Info
from recompiler.lift.x86 import decode
from recompiler.lift.x86.decode import COND, NEXT, SYSCALL
from recompiler.lift.x86.regs import COMPOSITE, DIRECTION, FLAG_BIT, PARTS, PRIMITIVE, SPILLED, STATUS
from tests.testbed import FIGURES

FUNCTIONS = 5_000 if FIGURES else 250
START = 0x401000
# Instructions of every kind that liveness tells apart: full and partial writes, shifts by CL, carries, D, vectors.
CODE = """
4889d8 88d8 01d8 29c3 4839d8 85c0 31c0 ffc0 48ffc9 d3e0 c1e003 11d8 19d8 f7d8 f7d0 0f94c0 480f44c3 0f42c1 0fafc3 48f7e1
99 fc fd f8 f9 f5 9e 9f 50 58 488d0411 4d01c8 4d89d1 f20f58c1 660fefc0 0f28c8 660f6ec0 0f2ec1 660fd6c8 0fbdc3 0fbcd8
0fa3c8 f3a4 ae 48d1d8 90 8b4508 894508 4587d1 0fb6c1 480fbec8
"""
STRAIGHT = [bytes.fromhex(text) for text in CODE.split()]
# How a block ends, and the size of that instruction.
KINDS = {"next": 0, "jump": 5, "cond": 6, "call": 5, "callr": 2, "ret": 1, "syscall": 2, "jumpr": 2}
Point = tuple[int, int]  # (number of a block, index of an instruction in it)


def function(chance: random.Random) -> Function:
    """1 to 14 blocks one behind the other, ended by jumps to one another and elsewhere, calls, syscalls, returns."""
    count = chance.randrange(1, 15)
    bodies = [chance.choices(STRAIGHT, k=chance.randrange(5)) for _ in range(count)]
    kinds = chance.choices(list(KINDS), weights=(2, 1, 3, 1, 1, 1, 1, 1), k=count)
    starts = [START]
    for body, kind in zip(bodies, kinds, strict=True):
        body += [] if body or kind != "next" else [STRAIGHT[0]]
        starts.append(starts[-1] + sum(map(len, body)) + KINDS[kind])
    elsewhere = [START - 0x100, START + 0x10000, starts[-1]]
    blocks = {}
    entries = set(chance.sample(starts[:-1], chance.randrange(min(count, 3))))
    for n, (body, kind) in enumerate(zip(bodies, kinds, strict=True)):
        start, end = starts[n], starts[n + 1]
        target = chance.choice(starts[:-1]) if chance.random() < 0.85 else chance.choice(elsewhere)
        rel = (target - end).to_bytes(4, "little", signed=True)
        last = {
            "next": b"",
            "jump": b"\xe9" + rel,
            "cond": bytes((0x0F, 0x80 | chance.randrange(16))) + rel,
            "call": b"\xe8" + (chance.choice(elsewhere) - end).to_bytes(4, "little", signed=True),
            "callr": b"\xff\xd0",
            "ret": b"\xc3",
            "syscall": b"\x0f\x05",
            "jumpr": b"\xff\xe0",
        }[kind]
        facts = [decode.facts(raw) for raw in [*body, *([last] if last else [])]]
        blocks[start] = Block(start, end, facts, facts[-1].flow, (), None)
        if kind in ("call", "callr", "syscall") and n + 1 < count and chance.random() < 0.9:
            entries.add(end)  # the return site, unless nobody returns there
    entries.discard(START)
    return Function(START, "random", blocks, [START, *sorted(entries)])


def across(chance: random.Random, of: Function) -> FlagsAcross:
    """Flags that others read, of some entries and functions."""
    found = FlagsAcross()
    for address in (START - 0x100, START + 0x10000, *of.entries):
        if chance.random() < 0.3:
            found.entries[address] = chance.getrandbits(6)
    if chance.random() < 0.3:
        found.returns[START] = chance.getrandbits(6)
    found.indirect = chance.getrandbits(6) if chance.random() < 0.2 else 0
    found.returned = chance.getrandbits(6) if chance.random() < 0.2 else 0
    return found


@dataclass(frozen=True)
class Oracle:
    """The slow truth about a flow: reachability over (block, instruction, bit), from the definitions alone."""

    flow: Flow

    def dirty(self, n: int) -> int:
        """Registers that some instruction on a way to the end of block n has written, without a boundary between."""
        seen, stack, found = {n}, [n], 0
        while stack:
            at = stack.pop()
            for known in self.flow.nodes[at].infos:
                found |= known.define
            for before, node in enumerate(self.flow.nodes):
                if at + 1 in node.succ and before not in seen:
                    seen.add(before)
                    stack.append(before)
        return found & (liveness.REGISTERS | DIRECTION)

    def live(self, n: int, bit: int) -> bool:
        """Whether the bit of a mask of liveness is read on some way from the start of block n."""
        seen: set[tuple[Point, int]] = set()
        stack: list[tuple[Point, int]] = [((n, 0), bit)]
        while stack:
            state = stack.pop()
            if state in seen:
                continue
            seen.add(state)
            (block, index), wanted = state
            node = self.flow.nodes[block]
            if index == len(node.infos):
                outside = node.dirty | node.flags_out << FLAG_BIT
                if node.leaves and outside >> wanted & 1:
                    return True
                stack += self._behind(block, wanted)
                continue
            known = node.infos[index]
            last = index == len(node.infos) - 1
            if _reads(known) >> wanted & 1 or (last and node.block.flow == SYSCALL and SYSCALL_USE >> wanted & 1):
                return True
            stack += [((block, index + 1), after) for after in _through(known, wanted)]
        return False

    def _behind(self, block: int, wanted: int) -> Iterator[tuple[Point, int]]:
        """The same value at the starts of the blocks that follow; over a syscall the flags pass, as primitive ones."""
        node = self.flow.nodes[block]
        for to in node.succ:
            if to <= len(self.flow.nodes):
                yield (to - 1, 0), wanted
            elif node.block.flow == SYSCALL and PRIMITIVE << FLAG_BIT >> wanted & 1:
                behind = self.flow.number[node.block.end] - 1
                yield (behind, 0), wanted
                flag = 1 << wanted - FLAG_BIT
                for composite, parts in PARTS.items():
                    if parts & flag:
                        yield (behind, 0), FLAG_BIT + composite.bit_length() - 1


def _reads(known: Info) -> int:
    return known.use | known.flag_use << FLAG_BIT


def _through(known: Info, wanted: int) -> list[int]:
    """The values after an instruction that the value before it is part of."""
    keeps = known.form is not None and known.form.keeps
    if wanted < FLAG_BIT or DIRECTION >> wanted & 1:
        return [] if known.define >> wanted & 1 else [wanted]
    flag = 1 << wanted - FLAG_BIT
    if keeps:
        return [wanted]
    found = []
    whole = not (PARTS.get(flag, flag) & known.flag_write)
    if whole:  # nothing of it was written
        found.append(wanted)
    for composite, parts in PARTS.items():  # one part was written, this one was not
        if parts & flag and parts & known.flag_write and not flag & known.flag_write:
            found.append(FLAG_BIT + composite.bit_length() - 1)
    return found


@pytest.mark.figures
def test_what_is_live_and_dirty_is_what_a_search_along_every_path_finds() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    bits = [bit for bit in range(48) if (SPILLED | STATUS << FLAG_BIT) >> bit & 1]
    some = 0
    for _ in range(FUNCTIONS):
        made = function(chance)
        flow, _ = lifter.plan(made, across(chance, made))
        oracle = Oracle(flow)
        for n, node in enumerate(flow.nodes):
            assert node.leaves >= (node.block.flow in LEAVES)
            assert node.dirty == oracle.dirty(n), (node.block, made)
            wanted = sum(1 << bit for bit in bits if oracle.live(n, bit))
            assert node.live_in == wanted, (node.block, hex(node.live_in ^ wanted))
            some += wanted.bit_count()
    assert some > 10 * FUNCTIONS


@pytest.mark.figures
def test_a_block_is_summarized_as_its_instructions_one_by_one_say() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(4 * FUNCTIONS):
        infos = [liveness.info(decode.facts(raw)) for raw in chance.choices(STRAIGHT, k=chance.randrange(9))]
        summary = liveness.summarize(infos)
        after = chance.getrandbits(42)
        live = after
        for known in reversed(infos):
            flags = liveness.flags_before(known, live >> FLAG_BIT & STATUS)
            live = known.use | live & ~(STATUS << FLAG_BIT) & ~known.define | flags << FLAG_BIT
        assert summary.before(after) == live, infos


def test_flags_that_a_condition_reads_are_those_of_the_manual() -> None:
    """SDM vol. 1, appendix B: a composite stands for the primitive flags of its condition."""
    conditions = (32, 32, 1, 1, 8, 8, 1 | 8, 1 | 8, 16, 16, 2, 2, 16 | 32, 16 | 32, 8 | 16 | 32, 8 | 16 | 32)
    for number, flags in enumerate(conditions):
        known = liveness.info(decode.facts(bytes((0x0F, 0x80 | number)) + bytes(4)))
        found = known.flag_use & PRIMITIVE
        for composite, parts in PARTS.items():
            found |= parts if known.flag_use & composite else 0
        assert found == flags
        assert known.flag_use & COMPOSITE or known.flag_use == flags


def test_templates_are_the_same_whether_they_were_made_before_or_not() -> None:
    for raw in STRAIGHT:
        facts = decode.facts(raw)
        known = liveness.info(facts)
        for want in (0, STATUS, *(1 << n for n in range(9))):
            made = templates.template(facts, known, want)
            assert templates.template(facts, known, want) is made
            fresh = Info(known.use, known.define, known.flag_use, known.flag_write, known.form, known.reason)
            assert templates.template(facts, fresh, want) == made


def test_a_lift_is_the_same_bytes_without_any_memo(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small.read_bytes()
    with_memo = lifter.lift(data).module

    def anew(facts: decode.Facts, known: Info, want: int) -> liveness.Template | None:
        known.templates.clear()
        return template(facts, known, want)

    template = templates.template
    monkeypatch.setattr(templates, "template", anew)
    monkeypatch.setattr(liveness, "info", liveness._learn)
    assert lifter.lift(data).module == with_memo


def test_the_ends_of_the_random_functions_are_all_there() -> None:
    chance = random.Random(1)
    flows = {block.flow for _ in range(60) for block in function(chance).blocks.values()}
    assert flows >= {*LEAVES, NEXT, COND} - {decode.TRAP}
