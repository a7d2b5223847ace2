"""In: what is known of a binary's code. Out: addresses of code that the file, its data and its instructions hold."""

from __future__ import annotations

import struct
from typing import Final

from iced_x86 import Mnemonic, OpKind

from recompiler.lift.elf import model
from recompiler.lift.elf.model import STT_NOTYPE
from recompiler.lift.find.found import Found
from recompiler.lift.x86.decode import Facts

_NOP: Final = b"\x90"


class References:
    """Reads each word and each instruction once. Adds to found: named, references, data, bases, labels."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self._words: set[int] | None = None  # aligned words that may be addresses of code
        self._immediates: dict[Facts, int] = {}

    def seeds(self) -> list[int]:
        """Where code starts by what the file says."""
        binary = self.found.binary
        if binary.code_at(binary.entry):
            self.found.named.add(binary.entry)
        for symbol in binary.symbols:
            if (symbol.type != STT_NOTYPE or symbol.binding) and not symbol.name.endswith(".cold"):
                self.found.named.add(symbol.address)
        for address, size in binary.arrays:
            for at in range(address, address + min(size, binary.size), 8):
                word = binary.word(at, 8)
                if word is not None and self.found.in_text(word):
                    self.found.named.add(word)
            if not size and binary.code_at(address):
                self.found.named.add(address)
        for row in binary.relocations.values():
            if row.kind in (model.R_RELATIVE, model.R_IRELATIVE) and self.found.in_text(row.addend):
                self.found.references.add(row.addend)
        for frame in self.found.frames:
            self.found.references.update(frame.pads)
        return [*self.found.named, *self.found.references, *(frame.start for frame in self.found.frames)]

    def pointers(self) -> set[int]:
        """Aligned words of a file that is not relocated which are addresses of code, as far as code is known."""
        if self._words is None:
            self._words = self._aligned() if self.found.fixed else set()
        known, inside = self.found.traversal.size_at, self.found.traversal.inside
        found = {word for word in self._words if known(word) or (not self.found.frame_at(word) and not inside(word))}
        self._words -= found
        return found

    def _aligned(self) -> set[int]:
        found: set[int] = set()
        for segment in self.found.binary.segments:
            skip = -segment.address % 8
            count = (len(segment.data) - skip) // 8
            if count > 0:
                words = struct.unpack_from(f"<{count}Q", segment.data, skip)
                found.update(word for word in words if self.found.low <= word < self.found.high)
        return {word for word in found if self.found.in_text(word)}

    def behind_nops(self) -> set[int]:
        """What is behind a NOP that a function begins with: Go's goroutines return there, where nothing calls."""
        starts = self.found.named.union(self.found.references, self.found.frame_starts)
        return {start + 1 for start in starts if self.found.traversal.bytes_at(start, start + 1) == _NOP}

    def refer(self) -> set[int]:
        """The addresses of code that the instructions found since the last call hold."""
        low, high = self.found.low, self.found.high
        found: set[int] = set()
        vague: set[int] = set()
        immediates = self._immediates
        for at, fact in self.found.traversal.pointing():
            if fact.rip is not None:
                value = at + fact.size + fact.rip
                inside = low <= value < high and self.found.in_text(value)
                if not inside:
                    self.found.data.add(value)
                if fact.mnemonic == Mnemonic.LEA:
                    self.found.bases.append((at, value, fact.writes))
                    if inside:
                        found.add(value)
                        self.found.labels.append((at, value, fact.writes))
            elif self.found.fixed and not fact.flow:
                immediate = immediates.get(fact)
                if immediate is None:
                    immediate = immediates[fact] = _address_in(fact)
                if not immediate:
                    continue
                moved = fact.mnemonic == Mnemonic.MOV
                if low <= immediate < high and self.found.in_text(immediate):
                    vague.add(immediate)
                    if moved:
                        self.found.labels.append((at, immediate, fact.writes))
                elif self.found.binary.segment_at(immediate) is not None:
                    self.found.data.add(immediate)
                    if moved:
                        self.found.bases.append((at, immediate, fact.writes))
        return found | {value for value in vague if value % 16 == 0 or not self.found.traversal.inside(value)}


def _address_in(fact: Facts) -> int:
    """An immediate or absolute displacement of 32 bits or more that may be an address, else 0."""
    insn = fact.insn
    for operand in range(insn.op_count):
        kind = insn.op_kind(operand)
        if kind in (OpKind.IMMEDIATE32, OpKind.IMMEDIATE32TO64, OpKind.IMMEDIATE64):
            return insn.immediate(operand)
        if kind == OpKind.MEMORY and insn.memory_displ_size >= 4 and insn.memory_displacement >> 16:
            return insn.memory_displacement if insn.memory_displacement < 1 << 32 else 0
    return 0
