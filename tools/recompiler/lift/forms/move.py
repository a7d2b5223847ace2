"""Data movement: MOV, extensions, exchange, stack, LEA, conditional moves and sets."""

from __future__ import annotations

from iced_x86 import Code, RegisterExt

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Unlifted, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import FLAGS, GPR, I32, I64, RAX, RBP, RSP, A, C, D, O, P, S, Z

CONDITION_NAMES = ("O", "NO", "B", "AE", "E", "NE", "BE", "A", "S", "NS", "P", "NP", "L", "GE", "LE", "G")


@form(
    *("MOV r/m{8,16,32,64}, r{8,16,32,64}", "MOV r{8,16,32,64}, r/m{8,16,32,64}"),
    *("MOV r{8,16,32,64}, imm{8,16,32,64}", "MOV r/m{8,16,32,64}, imm{8,16,32,32}"),
    *("MOV {AL,AX,EAX,RAX}, moffs{8,16,32,64}", "MOV moffs{8,16,32,64}, {AL,AX,EAX,RAX}"),
    *("MOVNTI m{32,64}, r{32,64}",),
    page="2B MOV",
)
def mov(a: Asm) -> None:
    size = a.size(0)
    if size == 32 and a.is_memory(1) and not a.is_memory(0):
        _load(a, "i64.load32_u")
    else:
        a.write(0, a.read(1, size), size)


def _load(a: Asm, op: str) -> None:
    """A load straight into a whole register."""
    a.op(op, a.address())
    a.set(GPR + a.register(0)[1])


@form("MOVZX r{16,32,64,16,32,64}, r/m{8,8,8,16,16,16}", page="2B MOVZX")
def movzx(a: Asm) -> None:
    if a.is_memory(1) and a.size(0) >= 32:
        _load(a, f"i64.load{a.size(1)}_u")
        return
    x = a.read(1)
    if a.size(0) == 64:
        a.get(x)
        a.op("i64.extend_i32_u")
        x = a.keep(I64)
    a.write(0, x)


@form("MOVSX r{16,32,64,16,32,64}, r/m{8,8,8,16,16,16}", page="2B MOVSX/MOVSXD")
@form("MOVSXD r{16,32,64}, r/m{16,32,32}", page="2B MOVSX/MOVSXD")
def movsx(a: Asm) -> None:
    size, narrow = a.size(0), a.size(1)
    if a.is_memory(1) and size == 64:
        _load(a, f"i64.load{narrow}_s")
        return
    a.get(a.read(1))
    if size == 64:
        a.op("i64.extend_i32_s" if narrow == 32 else "i64.extend_i32_u")
        if narrow < 32:
            a.op(f"i64.extend{narrow}_s")
    elif narrow < size:
        a.op(f"i32.extend{narrow}_s")
        flags.cut(a, size)
    a.write(0, a.keep(type_of(size)))


@form("{CBW,CWDE,CDQE}", page="2A CBW/CWDE/CDQE")
def cbw(a: Asm) -> None:
    size = {"CBW": 16, "CWDE": 32, "CDQE": 64}[a.insn.op_code().instruction_string]
    a.gpr(RAX)
    a.op(f"i64.extend{size // 2}_s")
    _set_rax(a, size)


@form("{CWD,CDQ,CQO}", page="2A CWD/CDQ/CQO")
def cwd(a: Asm) -> None:
    size = {"CWD": 16, "CDQ": 32, "CQO": 64}[a.insn.op_code().instruction_string]
    a.gpr(RAX)
    if size < 64:
        a.op(f"i64.extend{size}_s")
    a.op("i64.const", 63)
    a.op("i64.shr_s")
    _set_rax(a, size, register=2)


def _set_rax(a: Asm, size: int, register: int = RAX) -> None:
    if size != 64:
        a.op("i32.wrap_i64")
        flags.cut(a, size)
    a.set_gpr(register, size, a.keep(type_of(size)))


@form("LEA r{16,32,64}, m", page="2A LEA")
def lea(a: Asm) -> None:
    size = a.size(0)
    narrow = size == 64 and _address_bits(a) == 32
    a.effective(32 if narrow else size)
    if narrow:
        a.op("i64.extend_i32_u")
    flags.cut(a, size)
    a.write(0, a.keep(type_of(size)))


def _address_bits(a: Asm) -> int:
    """32 with an address-size prefix."""
    return 8 * RegisterExt.size(a.insn.memory_base or a.insn.memory_index) or 64


@form("XCHG r/m{8,16,32,64}, r{8,16,32,64}", "XCHG r{16,32,64}, {AX,EAX,RAX}", page="2D XCHG")
def xchg(a: Asm) -> None:
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    a.get(a.read(0))
    x = a.keep(type_of(size))
    a.write(0, a.read(1))
    a.write(1, x)


@form("BSWAP r{32,64}", page="2A BSWAP")
def bswap(a: Asm) -> None:
    size = a.size(0)
    a.get(a.read(0))
    _reverse(a, size)
    a.write(0, a.keep(type_of(size)))


@form("MOVBE r{16,32,64}, m{16,32,64}", "MOVBE m{16,32,64}, r{16,32,64}", page="2B MOVBE")
def movbe(a: Asm) -> None:
    """CPUID does not name it."""
    size = a.size(0)
    a.get(a.read(1, size))
    _reverse(a, size)
    a.write(0, a.keep(type_of(size)), size)


def _reverse(a: Asm, size: int) -> None:
    """Reverses the bytes of the value on the stack."""
    word = t(size)
    bits = max(size, 32)
    pairs = [(8, 0x00FF00FF00FF00FF)] + ([(16, 0x0000FFFF0000FFFF)] if size == 64 else [])
    for shift, mask in pairs:
        value = a.keep(type_of(size))
        a.get(value)
        a.const(size, shift)
        a.op(f"{word}.shr_u")
        a.const(size, mask)
        a.op(f"{word}.and")
        a.get(value)
        a.const(size, mask)
        a.op(f"{word}.and")
        a.const(size, shift)
        a.ops(f"{word}.shl", f"{word}.or")
    if size > 16:
        a.const(size, bits // 2)
        a.op(f"{word}.rotl")


@form("XLATB", page="2D XLAT/XLATB")
def xlatb(a: Asm) -> None:
    a.load(0, 8)
    a.set_gpr(RAX, 8, a.keep(I32))


# ---- stack


def push(a: Asm, size: int, local: int) -> None:
    """Pushes a temporary, or a register that is not RSP, of 16 or 64 bits."""
    a.gpr(RSP)
    a.op("i64.const", -size // 8)
    a.op("i64.add")
    a.tee(GPR + RSP)
    a.op("i32.wrap_i64")
    a.get(local)
    a.op({16: "i32.store16", 64: "i64.store"}[size], 0)


def pop(a: Asm, size: int) -> int:
    """Pops 16 or 64 bits into a temporary; RSP has moved."""
    a.gpr(RSP, 32)
    a.op({16: "i32.load16_u", 64: "i64.load"}[size], 0)
    local = a.keep(type_of(size))
    move_rsp(a, size // 8)
    return local


def move_rsp(a: Asm, by: int) -> None:
    """Adds to RSP."""
    a.gpr(RSP)
    a.op("i64.const", by)
    a.op("i64.add")
    a.set(GPR + RSP)


@form("PUSH r{16,64}", "PUSH r/m{16,64}", page="2B PUSH")
def push_rm(a: Asm) -> None:
    size = a.size(0)
    value = a.read(0, size)
    if not a.is_memory(0) and a.register(0)[1] == RSP:
        a.get(value)
        value = a.keep(type_of(size))
    push(a, size, value)


@form("PUSH imm{8,16,32}", page="2B PUSH")
def push_imm(a: Asm) -> None:
    size = 16 if a.insn.stack_pointer_increment == -2 else 64
    push(a, size, a.constant(size, a.immediate(0) if size == 64 else a.immediate(0) & 0xFFFF))


@form("POP r{16,64}", page="2B POP")
def pop_r(a: Asm) -> None:
    size = a.size(0)
    if a.register(0)[1] == RSP:
        a.write(0, pop(a, size))
        return
    a.gpr(RSP, 32)
    a.op({16: "i32.load16_u", 64: "i64.load"}[size], 0)
    a.write(0, a.keep(type_of(size)))
    move_rsp(a, size // 8)


@form("POP r/m{16,64}", page="2B POP")
def pop_m(a: Asm) -> None:
    if not a.is_memory(0):
        pop_r(a)
        return
    size = a.size(0)
    old = a.new(I64)
    a.gpr(RSP)
    a.set(old)
    value = pop(a, size)  # the address of the destination uses RSP after the pop; a fault there puts RSP back
    a.hold_address()
    new = a.new(I64)
    a.gpr(RSP)
    a.set(new)
    a.get(old)
    a.set(GPR + RSP)
    a.store(0, value, size)
    a.get(new)
    a.set(GPR + RSP)


@form("LEAVE", page="2A LEAVE")
def leave(a: Asm) -> None:
    if a.insn.code != Code.LEAVEQ:
        raise Unlifted("LEAVE of 16 bits")
    a.gpr(RBP, 32)
    a.op("i64.load", 0)
    value = a.keep(I64)
    a.gpr(RBP)
    a.op("i64.const", 8)
    a.op("i64.add")
    a.set(GPR + RSP)
    a.get(value)
    a.set(GPR + RBP)


@form("ENTER imm16, imm8", page="2A ENTER")
def enter(a: Asm) -> None:
    """Without nesting, as compilers use it."""
    if a.insn.code != Code.ENTERQ_IMM16_IMM8 or a.insn.immediate8_2nd & 31:
        raise Unlifted("ENTER of 16 bits, or nested")
    frame, top = a.new(I64), a.new(I64)
    a.gpr(RSP)
    a.op("i64.const", -8)
    a.op("i64.add")
    a.tee(frame)
    a.op("i32.wrap_i64")
    a.gpr(RBP)
    a.op("i64.store", 0)
    a.get(frame)
    a.op("i64.const", a.insn.immediate16)
    a.op("i64.sub")
    a.tee(top)
    a.op("i32.wrap_i64")
    touched = a.keep(I32)
    a.get(touched, touched)  # a frame that cannot be written is a fault now
    a.op("i32.load8_u", 0)
    a.op("i32.store8", 0)
    a.get(frame)
    a.set(GPR + RBP)
    a.get(top)
    a.set(GPR + RSP)


@form("PUSHFQ", page="2B PUSHF/PUSHFD/PUSHFQ")
def pushfq(a: Asm) -> None:
    a.op("i64.const", 0x202)  # bit 1 is always 1; interrupts are on
    for flag, bit in EFLAGS.items():
        a.get_flag(flag)
        a.op("i64.extend_i32_u")
        a.op("i64.const", bit)
        a.ops("i64.shl", "i64.or")
    push(a, 64, a.keep(I64))


EFLAGS = {C: 0, P: 2, A: 4, Z: 6, S: 7, D: 10, O: 11}
assert set(EFLAGS) == set(FLAGS)


@form("POPFQ", page="2B POPF/POPFD/POPFQ")
def popfq(a: Asm) -> None:
    value = pop(a, 64)
    for flag, bit in EFLAGS.items():
        a.get(value)
        a.ops("i32.wrap_i64")
        a.op("i32.const", bit)
        a.op("i32.shr_u")
        a.op("i32.const", 1)
        a.op("i32.and")
        a.flag(flag)
    flags.composites(a, C | Z | S | O)


@form("LAHF", page="2A LAHF")
def lahf(a: Asm) -> None:
    a.op("i32.const", 2)
    for flag in (C, P, A, Z, S):
        a.get_flag(flag)
        a.op("i32.const", EFLAGS[flag])
        a.ops("i32.shl", "i32.or")
    a.set_gpr(RAX, 8, a.keep(I32), high=True)


@form("SAHF", page="2B SAHF")
def sahf(a: Asm) -> None:
    a.gpr(RAX, 8, high=True)
    value = a.keep(I32)
    for flag in (C, P, A, Z, S):
        a.get(value)
        a.op("i32.const", EFLAGS[flag])
        a.op("i32.shr_u")
        a.op("i32.const", 1)
        a.op("i32.and")
        a.flag(flag)
    flags.composites(a, C | Z | S)


# ---- conditions


@form(*(f"SET{name} r/m8" for name in CONDITION_NAMES), page="2B SETcc")
def setcc(a: Asm) -> None:
    flags.condition(a, a.insn.condition_code)
    a.write(0, a.keep(I32))


@form(*(f"CMOV{name} r{{16,32,64}}, r/m{{16,32,64}}" for name in CONDITION_NAMES), page="2A CMOVcc")
def cmovcc(a: Asm) -> None:
    """The source is read whether the condition holds or not; 32 bits clear the upper half either way."""
    size = a.size(0)
    source, old = a.read(1), a.read(0)
    a.get(source, old)
    flags.condition(a, a.insn.condition_code)
    a.op("select")
    a.write(0, a.keep(type_of(size)))
