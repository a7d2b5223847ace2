"""In: single instructions. Out: their facts, each row read from the SDM, and what every fact must satisfy."""

from __future__ import annotations

import random

import pytest
from iced_x86 import Decoder, Register

from recompiler.lift.find import linear_sweep
from recompiler.lift.x86 import decode
from recompiler.lift.x86.decode import FPU, STATUS, XMM, A, C, D, O, P, S, Z

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = (1 << number for number in range(8))
R11 = 1 << 11
X0, X1 = 1 << 16, 1 << 17

# bytes, text, flow, reads, writes, flag_reads, flag_writes
ROWS = [
    ("31c0", "xor eax,eax", decode.NEXT, 0, RAX, 0, STATUS),
    ("29c9", "sub ecx,ecx", decode.NEXT, 0, RCX, 0, STATUS),
    ("19c0", "sbb eax,eax", decode.NEXT, RAX, RAX, C, STATUS),
    ("660fefc0", "pxor xmm0,xmm0", decode.NEXT, 0, X0, 0, 0),
    ("660fefc1", "pxor xmm0,xmm1", decode.NEXT, X0 | X1, X0, 0, 0),
    ("89c8", "mov eax,ecx", decode.NEXT, RCX, RAX, 0, 0),
    ("6689c8", "mov ax,cx", decode.NEXT, RCX | RAX, RAX, 0, 0),
    ("88cc", "mov ah,cl", decode.NEXT, RCX | RAX, RAX, 0, 0),
    ("0f94c0", "sete al", decode.NEXT, RAX, RAX, Z, 0),
    ("0f4fc1", "cmovg eax,ecx", decode.NEXT, RAX | RCX, RAX, Z | S | O, 0),
    ("ffc0", "inc eax", decode.NEXT, RAX, RAX, 0, STATUS & ~C),
    ("11c8", "adc eax,ecx", decode.NEXT, RAX | RCX, RAX, C, STATUS),
    ("d3e0", "shl eax,cl", decode.NEXT, RAX | RCX, RAX, STATUS, STATUS),
    ("c1e003", "shl eax,3", decode.NEXT, RAX, RAX, 0, STATUS),
    ("c1e020", "shl eax,32: the count is masked to 0", decode.NEXT, RAX, RAX, 0, 0),
    ("d3c0", "rol eax,cl", decode.NEXT, RAX | RCX, RAX, C | O, C | O),
    ("0fa5c1", "shld ecx,eax,cl", decode.NEXT, RAX | RCX, RCX, STATUS, STATUS),
    ("48f7e1", "mul rcx", decode.NEXT, RAX | RCX, RAX | RDX, 0, STATUS),
    ("f7f1", "div ecx", decode.NEXT, RAX | RCX | RDX, RAX | RDX, 0, STATUS),
    ("0fbcc1", "bsf eax,ecx: a source of 0 leaves eax", decode.NEXT, RAX | RCX, RAX, 0, STATUS),
    ("0fb1d1", "cmpxchg ecx,edx", decode.NEXT, RAX | RCX | RDX, RAX | RCX, 0, STATUS),
    ("480fc708", "cmpxchg16b [rax]", decode.NEXT, RAX | RBX | RCX | RDX, RAX | RDX, 0, Z),
    ("f3a4", "rep movsb", decode.NEXT, RCX | RSI | RDI, RCX | RSI | RDI, D, 0),
    ("f3a6", "repe cmpsb", decode.NEXT, RCX | RSI | RDI, RCX | RSI | RDI, D | STATUS, STATUS),
    ("a6", "cmpsb", decode.NEXT, RSI | RDI, RSI | RDI, D, STATUS),
    ("fd", "std", decode.NEXT, 0, 0, 0, D),
    ("9e", "sahf", decode.NEXT, RAX, 0, 0, C | P | A | Z | S),
    ("9c", "pushfq", decode.NEXT, RSP, RSP, STATUS | D, 0),
    ("c9", "leave", decode.NEXT, RBP, RSP | RBP, 0, 0),
    ("f20f10c1", "movsd xmm0,xmm1 keeps the upper half", decode.NEXT, X0 | X1, X0, 0, 0),
    ("f20f1001", "movsd xmm0,[rcx] clears it", decode.NEXT, RCX, X0, 0, 0),
    ("f20f51c1", "sqrtsd xmm0,xmm1", decode.NEXT, X0 | X1, X0, 0, 0),
    ("f20f2ac0", "cvtsi2sd xmm0,eax", decode.NEXT, X0 | RAX, X0, 0, 0),
    ("660f2ec1", "ucomisd xmm0,xmm1", decode.NEXT, X0 | X1, 0, 0, STATUS),
    ("d9c1", "fld st(1)", decode.NEXT, FPU, FPU, 0, 0),
    ("dfe9", "fucomip st,st(1)", decode.NEXT, FPU, FPU, 0, STATUS),
    ("dfe0", "fnstsw ax", decode.NEXT, FPU | RAX, FPU | RAX, 0, 0),
    ("dac1", "fcmovb st,st(1)", decode.NEXT, FPU, FPU, C, 0),
    ("0fae18", "stmxcsr [rax]", decode.NEXT, FPU | RAX, 0, 0, 0),
    ("0fae00", "fxsave [rax]", decode.NEXT, FPU | XMM | RAX, 0, 0, 0),
    ("0fae08", "fxrstor [rax]", decode.NEXT, RAX, FPU | XMM, 0, 0),
    ("c3", "ret", decode.RET, RSP, RSP, 0, 0),
    ("f3c3", "rep ret", decode.RET, RSP, RSP, 0, 0),
    ("c20800", "ret 8", decode.RET, RSP, RSP, 0, 0),
    ("e800000000", "call", decode.CALL, RSP, RSP, 0, 0),
    ("ff10", "call [rax]", decode.CALL_INDIRECT, RSP | RAX, RSP, 0, 0),
    ("ffd0", "call rax", decode.CALL_INDIRECT, RSP | RAX, RSP, 0, 0),
    ("ff20", "jmp [rax]", decode.JUMP_INDIRECT, RAX, 0, 0, 0),
    ("3effe0", "notrack jmp rax", decode.JUMP_INDIRECT, RAX, 0, 0, 0),
    ("eb00", "jmp", decode.JUMP, 0, 0, 0, 0),
    ("7f00", "jg", decode.COND, 0, 0, Z | S | O, 0),
    ("e300", "jrcxz", decode.COND, RCX, 0, 0, 0),
    ("e200", "loop", decode.COND, RCX, RCX, 0, 0),
    ("0f05", "syscall", decode.SYSCALL, 0, RCX | R11, STATUS | D, STATUS | D),
    ("0f0b", "ud2", decode.TRAP, 0, 0, 0, 0),
    ("cc", "int3", decode.TRAP, 0, 0, 0, 0),
    ("cd80", "int 0x80", decode.TRAP, 0, 0, 0, 0),
    ("f4", "hlt", decode.TRAP, 0, 0, 0, 0),
    ("cb", "retf", decode.TRAP, RSP, RSP, 0, 0),
    ("ff28", "jmp far [rax]", decode.TRAP, RAX, 0, 0, 0),
    ("06", "push es, gone in 64-bit mode", decode.INVALID, 0, 0, 0, 0),
    ("f30f1efa", "endbr64", decode.NEXT, 0, 0, 0, 0),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_the_facts_of_an_instruction(row: tuple[str, str, int, int, int, int, int]) -> None:
    raw, _, *expected = row
    facts = decode.facts(bytes.fromhex(raw))
    assert [facts.flow, facts.reads, facts.writes, facts.flag_reads, facts.flag_writes] == expected
    assert facts.raw == bytes.fromhex(raw)
    assert facts.size == len(facts.raw)


@pytest.mark.parametrize("raw", ["ebfe", "7f80", "e8fbffffff", "0f8400000080", "e9ffffff7f", "e2f0"])
def test_the_distance_of_a_branch_counts_from_its_end(raw: str) -> None:
    code = bytes.fromhex(raw)
    width = 1 if len(code) == 2 else 4
    assert decode.facts(code).disp == int.from_bytes(code[-width:], "little", signed=True)
    assert decode.facts(code).rip is None


@pytest.mark.parametrize(
    ("raw", "distance"),
    [("488d0510000000", 16), ("c705f0ffffff01000000", -16), ("66833dfcffffff01", -4), ("ff25000000ff", -(1 << 24))],
)
def test_the_distance_of_a_rip_relative_operand_counts_from_the_instructions_end(raw: str, distance: int) -> None:
    facts = decode.facts(bytes.fromhex(raw))
    assert (facts.rip, facts.disp) == (distance, None)


def test_equal_bytes_are_one_object_at_any_address() -> None:
    code = bytes.fromhex("4889c3 4889c3 c3")
    first, second, last = decode.stream(code, 0)
    assert first is second is decode.facts(code[:3])
    assert last is decode.facts(code[6:])


def test_code_is_decoded_from_any_of_its_bytes_to_its_end() -> None:
    code = bytes.fromhex("90 90 90 4889")
    assert [facts.raw for facts in decode.stream(code, 2)] == [b"\x90", code[3:]]
    assert [facts.flow for facts in decode.stream(code, 2)] == [decode.NEXT, decode.INVALID]


@pytest.mark.parametrize("branch", ["e800000000", "eb00", "0f8400000000", "f2e800000000"])
def test_a_branch_that_is_cut_off_is_no_branch(branch: str) -> None:
    code = bytes.fromhex(branch)
    assert decode.facts(code).disp == 0
    assert {facts.flow for size in range(1, len(code)) for facts in decode.stream(code[:size], 0)} == {decode.INVALID}


@pytest.mark.parametrize(
    "form",
    [
        "e8",
        "0f84",
        "eb",
        "488d05",
        "c705",
        "ff25",
        "67ff05",
        "67488d05",
        "0f1005",
        "f7052000000078",
        "48a1",
        "67a1",
        "6667a1",
        "678b04",
        "8b0425",
        "c7f8",
        "66c7f8",
    ],
)
def test_what_an_instruction_is_does_not_depend_on_what_was_decoded_before(form: str) -> None:
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    rows = [(bytes.fromhex(form) + generator.randbytes(12))[:11] for _ in range(50)]
    long = b"\x90".join(rows)
    for facts in decode.stream(long, 0):
        found = facts.insn
        fresh = Decoder(64, facts.raw).decode()
        assert found == fresh, f"seed {seed}"
        assert (found.ip, found.near_branch_target) == (fresh.ip, fresh.near_branch_target), f"seed {seed}"
        assert found.memory_displacement == fresh.memory_displacement, f"seed {seed}"
        if facts.rip is not None:
            word = (1 << (32 if fresh.memory_base == Register.EIP else 64)) - 1
            assert facts.rip + facts.size & word == fresh.memory_displacement, f"seed {seed}"


def test_every_byte_string_has_facts() -> None:
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    code = generator.randbytes(60_000)
    known = list(decode.stream(code, 0))
    assert b"".join(facts.raw for facts in known) == code, f"seed {seed}"
    for facts in known:
        assert 0 < facts.size <= decode.LONGEST, f"seed {seed}"
        assert (facts.disp is None) == (facts.flow not in (decode.JUMP, decode.COND, decode.CALL)), f"seed {seed}"
        assert facts is decode.facts(facts.raw), f"seed {seed}"


def test_rows_are_what_decoding_from_their_start_gives() -> None:
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    for code in (
        generator.randbytes(3000),
        bytes.fromhex("4889c3c3") * 9000,
        generator.choices(b"\x90\xc3\x0f\x48", k=2000),
    ):
        data = bytes(code)
        whole = linear_sweep.Text(0x1000, data)
        pointing = []
        for start in generator.sample(range(len(data)), 200):
            if whole.sizes[start]:
                continue
            known = bytes(whole.sizes)
            row, last, end = whole.row(start)
            at = start
            for fact, expected in zip(row, decode.stream(data, start), strict=False):
                assert fact is expected, f"seed {seed}"
                assert not known[at], f"seed {seed}"
                assert whole.sizes[at] == fact.size, f"seed {seed}"
                assert at == last or not fact.flow, f"seed {seed}"
                pointing += [(0x1000 + at, fact)] * fact.points
                at += fact.size
            assert at == end, f"seed {seed}"
            assert row[-1].flow or end == len(data) or known[end], f"seed {seed}"
        assert sorted(pointing, key=lambda item: item[0]) == sorted(whole.pointing(), key=lambda item: item[0])
