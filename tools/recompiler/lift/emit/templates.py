"""In: an instruction, and the flags that are wanted after it. Out: its wasm, which its form makes once a process."""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Unlifted
from recompiler.lift.plan.liveness import Info, Template, info
from recompiler.lift.x86.decode import Facts


def template(facts: Facts, known: Info, want: int) -> Template | None:
    """The wasm of an instruction after which these flags are wanted; None (with info.reason) when it has none."""
    try:
        return known.templates[want]
    except KeyError:
        pass
    made: Template | None = None
    if known.form is not None:
        asm = Asm(facts.insn, want)
        try:
            known.form.emit(asm)
            made = asm.done()
        except Unlifted as e:
            known.reason = str(e)
    known.templates[want] = made
    return made


def reason(facts: Facts) -> str | None:
    """Why an instruction has no wasm; None for one that has."""
    known = info(facts)
    return known.reason if template(facts, known, 0) is None else None
