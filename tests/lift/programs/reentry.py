"""In: an ELF. Out: its lifted object as nobody would want it: most calls, and the returns from them, go out to `run`.

There the pc map has to find each callee's start and each return site: what a longjmp, a signal or a deep stack does now
and then, this does all the time. Every program must still say the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from unittest import mock

from lift.programs.executable import Lift
from recompiler.lift import emit, lifter
from recompiler.lift.decode import CALL, CALL_INDIRECT, Facts
from recompiler.lift.flow import Node
from recompiler.lift.shape import Edge


class Reentering(emit._Emitter):
    share = 0.8
    seed = 0
    left = 0  # calls that leave, of all lifts

    def terminator(self, node: Node, edges: Mapping[int, Edge], address: int) -> None:
        block = node.block
        facts: Facts = block.facts[-1]
        chance = random.Random(self.seed << 32 | address).random()
        if block.flow not in (CALL, CALL_INDIRECT) or chance > self.share:
            super().terminator(node, edges, address)
            return
        Reentering.left += 1
        if block.flow == CALL:
            self.address(self.flow.target(block))
            self.set(emit.PC)
        else:
            self.operand(facts, block.end)
        self.push_return(block.end)
        self.leaving(node)
        self.get(emit.PC)
        self.op(0x0F)


def lifting(seed: int) -> Lift:
    """A lift whose calls leave by a choice that this seed makes."""

    def lift(data: bytes) -> lifter.Result:
        with mock.patch.object(emit, "_Emitter", Reentering), mock.patch.object(Reentering, "seed", seed):
            return lifter.lift(data)

    return lift
