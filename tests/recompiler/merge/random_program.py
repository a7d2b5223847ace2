"""A random source in, a random but valid WAT program out; it ends by itself, and logs all that it computes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

LOG = '(import "host" "log" (func $log (param i32)))'


@dataclass
class Writer:
    """One program in the making: how many of each thing it has."""

    source: random.Random
    memories: int = 0
    globals_: int = 0
    functions: int = 0
    table: int = 0
    segments: list[int] = field(default_factory=list)

    def number(self, depth: int, callees: range) -> str:
        """An expression of type i32 that calls only callees, so that no recursion can be endless."""
        pick = self.source
        ways = ["const", "local"]
        if depth > 0:
            ways += ["binary", "if", "call", "indirect", "load", "size", "global", "block"]
        way = pick.choice(ways)
        below = depth - 1
        if way == "binary":
            operation = pick.choice(("add", "sub", "mul", "xor", "shl", "rotl", "lt_u"))
            return f"(i32.{operation} {self.number(below, callees)} {self.number(below, callees)})"
        if way == "if":
            branches = " ".join(f"({word} {self.number(below, callees)})" for word in ("then", "else"))
            return f"(if (result i32) {self.number(below, callees)} {branches})"
        if way == "block":
            return f"(block (result i32) {self.statement(below, callees)} {self.number(below, callees)})"
        if way == "call" and callees:
            return f"(call $f{pick.choice(callees)} {self.number(below, callees)})"
        if way == "indirect" and self.table and not callees:
            # Leaves only: functions with callees are not in the table.
            return f"(i32.const {self.table})"
        if way == "indirect" and self.table:
            slot = f"(i32.and {self.number(below, callees)} (i32.const {pick.choice((1, 3, 7))}))"
            return f"(call_indirect (param i32) (result i32) {self.number(below, callees)} {slot})"
        if way == "load" and self.memories:
            memory = pick.randrange(self.memories)
            address = f"(i32.and {self.number(below, callees)} (i32.const 63))"
            return f"(i32.load8_u {memory} offset={pick.randrange(200)} {address})"
        if way == "size" and self.memories:
            return f"(memory.size {pick.randrange(self.memories)})"
        if way == "global" and self.globals_:
            return f"(global.get {pick.randrange(self.globals_)})"
        return "(local.get 0)" if way == "local" else f"(i32.const {pick.randrange(-100, 100)})"

    def statement(self, depth: int, callees: range) -> str:
        pick = self.source
        way = pick.choice(("log", "set", "store", "init", "grow", "fill"))
        if way == "set" and self.globals_:
            return f"(global.set {pick.randrange(self.globals_)} {self.number(depth, callees)})"
        if way == "store" and self.memories:
            address = f"(i32.and {self.number(depth, callees)} (i32.const 63))"
            return f"(i32.store {pick.randrange(self.memories)} {address} {self.number(depth, callees)})"
        if way == "init" and self.memories and self.segments:
            segment = pick.randrange(len(self.segments))
            length = pick.randrange(self.segments[segment] + 1)
            memory = pick.randrange(self.memories)
            return (
                f"(memory.init {memory} {segment} (i32.const {pick.randrange(99)}) (i32.const 0) (i32.const {length}))"
            )
        if way == "grow" and self.memories:
            return f"(drop (memory.grow {pick.randrange(self.memories)} (i32.const 1)))"
        if way == "fill" and self.memories:
            place = (
                f"(i32.const {pick.randrange(99)}) (i32.const {pick.randrange(256)}) (i32.const {pick.randrange(9)})"
            )
            return f"(memory.fill {pick.randrange(self.memories)} {place})"
        return f"(call $log {self.number(depth, callees)})"


def write(source: random.Random) -> str:
    """One program."""
    writer = Writer(
        source, source.randrange(3), source.randrange(4), source.randrange(1, 8), source.choice((0, 4, 8, 9))
    )
    fields = [LOG]
    # Few sizes and values, so that programs often agree.
    fields += [f"(memory {source.choice((1, 1, 2, 3))})" for _ in range(writer.memories)]
    fields += [f"(global (mut i32) (i32.const {source.choice((1, 1, 5))}))" for _ in range(writer.globals_)]
    for _ in range(source.randrange(5) if writer.memories else 0):
        text = source.choice(("hello", "abc", "abc", "x" * 70))
        memory, offset = source.randrange(writer.memories), source.choice((0, 16, 65534))
        active = f"(memory {memory}) (i32.const {offset})" if source.random() < 0.7 else ""
        fields.append(f'(data {active} "{text}")')
        writer.segments.append(0 if active else len(text))
    leaves = source.randrange(writer.functions + 1)
    if writer.table and leaves:
        names = " ".join(f"$f{source.randrange(leaves)}" for _ in range(source.randrange(1, writer.table)))
        fields.append(
            f"(table {writer.table} {writer.table} funcref) (elem (i32.const {source.randrange(2)}) func {names})"
        )
    else:
        writer.table = 0
    for number in range(writer.functions):
        callees = range(number) if number >= leaves else range(0)
        table, writer.table = writer.table, writer.table if number >= leaves else 0
        body = " ".join(writer.statement(2, callees) for _ in range(source.randrange(3)))
        fields.append(f"(func $f{number} (param i32) (result i32) {body} {writer.number(3, callees)})")
        writer.table = table
    every = range(writer.functions)
    body = " ".join(writer.statement(3, every) for _ in range(6))
    return f'(module {" ".join(fields)} (func (export "_start") (local i32) {body}))'
