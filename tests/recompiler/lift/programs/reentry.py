"""In: an ELF. Out: its lifted object as nobody would want it: most calls, and the returns from them, go out to `run`.

There the pc map has to find each callee's start and each return site: what a longjmp, a signal or a deep stack does now
and then, this does all the time. Every program must still say the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from unittest import mock

from recompiler.lift import lifter
from recompiler.lift.emit import body
from recompiler.lift.plan.flow import Node
from recompiler.lift.plan.shape import Edge
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, Facts
from tests.recompiler.lift.programs.executable import Lift


class Reentering(body._Emitter):
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
            self.set(body.PC)
        else:
            self.operand(facts, block.end)
        self.push_return(block.end)
        self.leaving(node)
        self.get(body.PC)
        self.op(0x0F)


def lifting(seed: int) -> Lift:
    """A lift whose calls leave by a choice that this seed makes."""

    def lift(data: bytes) -> lifter.Result:
        with mock.patch.object(body, "_Emitter", Reentering), mock.patch.object(Reentering, "seed", seed):
            return lifter.lift(data)

    return lift
