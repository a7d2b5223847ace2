"""No loop runs without a look at the signals that wait: random graphs against a search, and a program in such loops."""

from __future__ import annotations

import random

from recompiler.lift.find.function import Block, Function
from recompiler.lift.plan import safepoints
from recompiler.lift.x86 import decode
from recompiler.lift.x86.decode import CALL, COND, SYSCALL

GRAPHS = 300
NOP, JE, CALL_NEXT, SYSCALL_, STEP, TEST = "90", "7400", "e800000000", "0f05", "4883c001", "4839d8"


def function(chance: random.Random) -> Function:
    """Blocks of random ways on, some with calls, syscalls or a register that is stepped and compared."""
    count = chance.randrange(1, 12)
    starts = [0x1000 + 0x10 * n for n in range(count)]
    blocks = {}
    for n, start in enumerate(starts):
        kind = chance.choices((NOP, JE, CALL_NEXT, SYSCALL_), (2, 5, 1, 1))[0]
        body = [STEP, TEST] if chance.random() < 0.2 else []
        facts = [decode.facts(bytes.fromhex(raw)) for raw in [*body, kind]]
        succ = chance.sample(starts, k=min(count, 2 if kind == JE else 1))
        if n == count - 1 and kind != JE:
            succ = []
        blocks[start] = Block(start, start + 0x10, facts, facts[-1].flow, tuple(succ), None)
    return Function(starts[0], "random", blocks, [starts[0]])


def turns(made: Function, heads: set[int], looks: set[int]) -> list[list[int]]:
    """Cycles of blocks without a look, a syscall, or a block that can leave by what is stepped; one for each start."""

    def passes(block: Block) -> bool:
        stepped = len(block.facts) > 1 and block.flow == COND
        return block.flow != SYSCALL and not stepped and block.start not in looks

    found = []
    for first in made.blocks:
        seen: set[int] = set()
        stack = [first]
        while stack:
            at = stack.pop()
            block = made.blocks[at]
            for to in block.succ if passes(block) else ():
                if to in heads:
                    continue
                if to == first:
                    found.append([first])
                if to not in seen:
                    seen.add(to)
                    stack.append(to)
    return found


def test_every_cycle_looks_or_ends() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    looked = 0
    for _ in range(GRAPHS):
        made = function(chance)
        heads, looks = safepoints.safepoints(made)
        looked += len(heads) + len(looks)
        assert all(made.blocks[start].flow == CALL for start in looks)
        assert not turns(made, heads, looks), (made, heads, looks)
    assert looked > GRAPHS // 2


def test_calls_come_before_heads() -> None:
    loop = {
        0x1000: Block(0x1000, 0x1010, [decode.facts(bytes.fromhex(CALL_NEXT))], CALL, (0x1010,), None),
        0x1010: Block(0x1010, 0x1020, [decode.facts(bytes.fromhex(JE))], COND, (0x1020, 0x1000), None),
        0x1020: Block(0x1020, 0x1030, [decode.facts(bytes.fromhex(NOP))], decode.NEXT, (), None),
    }
    assert safepoints.safepoints(Function(0x1000, "loop", loop, [0x1000, 0x1010])) == (set(), {0x1000})
