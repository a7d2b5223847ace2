"""Integer addition, subtraction, comparison and logic; with LOCK too: threads take turns, so plain operations on memory
are atomic to them."""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import OpKind

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import BE, GPR, I32, I64, LE, PRIMITIVE, A, C, L, O, P, S, Z, flag_local


def _forms(name: str) -> tuple[str, ...]:
    """The nine encodings that ADD, OR, ADC, SBB, AND, SUB, XOR and CMP share."""
    return (
        f"{name} r/m{{8,16,32,64}}, r{{8,16,32,64}}",
        f"{name} r{{8,16,32,64}}, r/m{{8,16,32,64}}",
        f"{name} {{AL,AX,EAX,RAX}}, imm{{8,16,32,32}}",
        f"{name} r/m{{8,16,32,64,16,32,64}}, imm{{8,16,32,32,8,8,8}}",
    )


def operands(a: Asm) -> tuple[int, Local, Local]:
    """Size and both operands; the address of one that will be written is held."""
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    return size, a.read(0, size), a.read(1, size)


def combine(a: Asm, size: int, x: Local, y: Local, how: str) -> Local:
    """x `how` y, cut to the size."""
    a.get(x, y)
    a.op(f"{t(size)}.{how}")
    if how in ("add", "sub"):
        flags.cut(a, size)
    return a.keep(type_of(size))


@form(*_forms("ADD"), page="2A ADD")
def add(a: Asm) -> None:
    size, x, y = operands(a)
    r = combine(a, size, x, y, "add")
    flags.after_add(a, size, x, y, r)
    a.write(0, r, size)


@form(*_forms("SUB"), page="2B SUB")
def sub(a: Asm) -> None:
    if _same_register(a):
        clear(a)
        return
    size, x, y = operands(a)
    r = combine(a, size, x, y, "sub")
    flags.after_sub(a, size, x, y, lambda: r)
    a.write(0, r, size)


def _same_register(a: Asm) -> bool:
    return a.insn.op1_kind == OpKind.REGISTER and a.insn.op0_register == a.insn.op1_register


def clear(a: Asm) -> None:
    """XOR or SUB of a register with itself."""
    for flag in (C, P, A, Z, S, O, BE, L, LE):
        if a.want & flag:
            a.op("i32.const", int(flag in (Z, P, BE, LE)))
            a.flag(flag)
    size = a.size(0)
    _, number, _, high = a.register(0)
    whole = 64 if size >= 32 else size
    a.set_gpr(number, whole, a.constant(whole, 0), high)


@form(*_forms("CMP"), page="2A CMP")
def cmp(a: Asm) -> None:
    size = a.size(0)
    x, y = a.read(0, size), a.read(1, size)
    flags.after_sub(a, size, x, y, _once(lambda: combine(a, size, x, y, "sub")))


def _once(make: Callable[[], Local]) -> Callable[[], Local]:
    made: list[Local] = []

    def get() -> Local:
        if not made:
            made.append(make())
        return made[0]

    return get


@form(*_forms("ADC"), page="2A ADC")
def adc(a: Asm) -> None:
    size, x, y = operands(a)
    need = flags.needed(a, PRIMITIVE, 0)
    r, carry = _with_carry(a, size, x, y, "add", need & C)
    flags.after_add(a, size, x, y, r, lambda: a.get(carry))
    a.write(0, r, size)


@form(*_forms("SBB"), page="2B SBB")
def sbb(a: Asm) -> None:
    """x - (y + C). The composites come from the flags: a comparison of x and y does not know the borrow."""
    size, x, y = operands(a)
    need = flags.needed(a, PRIMITIVE, 0)
    r, borrow = _with_carry(a, size, x, y, "sub", need & C)
    if need & C:
        a.get(borrow)
        a.flag(C)
    if need & O:
        flags.overflow(a, size, x, y, r, subtract=True)
    if need & A:
        flags.adjust(a, size, x, y, r)
    flags.result(a, size, r, need & (Z | S | P))
    flags.composites(a, PRIMITIVE)
    a.write(0, r, size)


def _with_carry(a: Asm, size: int, x: Local, y: Local, how: str, wanted: int) -> tuple[Local, Local]:
    """x plus y plus C, or x minus both, cut to the size; and the new C where it is wanted. 64 bits go through wide
    arithmetic, the others through a word that has room for the carry: half the time of two comparisons."""
    if not wanted:
        a.get(x, y)
        a.op(f"{t(size)}.{how}")
        a.get_flag(C)
        if size == 64:
            a.op("i64.extend_i32_u")
        a.op(f"{t(size)}.{how}")
        flags.cut(a, size)
        return a.keep(type_of(size)), 0
    carry = a.new(I32)
    if size == 64:
        a.get(x)
        a.op("i64.const", 0)
        a.get(y)
        a.op("i64.const", 0)
        a.op(f"i64.{how}128")
        a.get_flag(C)
        a.op("i64.extend_i32_u")
        a.op("i64.const", 0)
        a.ops(f"i64.{how}128", "i32.wrap_i64")
    else:
        word = "i64" if size == 32 else "i32"
        for n, part in enumerate((x, y, flag_local(C))):
            a.get(part)
            if size == 32:
                a.op("i64.extend_i32_u")
            if n:
                a.op(f"{word}.{how}")
        wide = a.keep(I64 if size == 32 else I32)
        a.get(wide)
        if size == 32:
            a.op("i32.wrap_i64")
        flags.cut(a, size)
        a.get(wide)
        a.op(f"{word}.const", size)
        a.op(f"{word}.shr_u")
        if size == 32:
            a.op("i32.wrap_i64")
    if how == "sub":  # a borrow is all ones
        a.op("i32.const", 1)
        a.op("i32.and")
    a.set(carry)
    return a.keep(type_of(size)), carry


def _logic(how: str) -> Callable[[Asm], None]:
    def emit(a: Asm) -> None:
        if how == "xor" and _same_register(a):
            clear(a)
            return
        size, x, y = operands(a)
        r = x if _same_register(a) else combine(a, size, x, y, how)
        flags.after_logic(a, size, r)
        a.write(0, r, size)

    return emit


for _name, _how in (("AND", "and"), ("OR", "or"), ("XOR", "xor")):
    form(*_forms(_name), page=f"2 {_name}")(_logic(_how))


@form(
    *("TEST r/m{8,16,32,64}, r{8,16,32,64}", "TEST {AL,AX,EAX,RAX}, imm{8,16,32,32}"),
    "TEST r/m{8,16,32,64}, imm{8,16,32,32}",
    page="2D TEST",
)
def test(a: Asm) -> None:
    size = a.size(0)
    x, y = a.read(0, size), a.read(1, size)
    flags.after_logic(a, size, x if _same_register(a) else combine(a, size, x, y, "and"))


@form("{INC,DEC,INC,DEC,INC,DEC,INC,DEC} r/m{8,8,16,16,32,32,64,64}", page="2 INC, DEC")
def inc_dec(a: Asm) -> None:
    """C stays as it is. One number alone overflows."""
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    x = a.read(0, size)
    subtract = a.insn.op_code().instruction_string.startswith("DEC")
    one = a.constant(size, 1)
    r = combine(a, size, x, one, "sub" if subtract else "add")
    written = P | A | Z | S | O
    need = flags.needed(a, written, L | LE)
    if need & O:
        a.get(x if subtract else r)
        a.const(size, 1 << size - 1)
        a.op(f"{t(size)}.eq")
        a.flag(O)
    if need & A:
        flags.adjust(a, size, x, one, r)
    flags.result(a, size, r, need & (Z | S | P))
    for flag, how in ((L, "lt_s"), (LE, "le_s")):  # x + 1 < 0 is x < -1
        if a.wants(flag):
            a.get(x)
            if size < 32:
                a.op(f"i32.extend{size}_s")
            a.const(size, 1 if subtract else -1)
            a.op(f"{t(size)}.{how}")
            a.flag(flag)
    flags.composites(a, written, L | LE)
    a.write(0, r, size)


@form("NEG r/m{8,16,32,64}", page="2B NEG")
def neg(a: Asm) -> None:
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    y = a.read(0, size)
    x = a.constant(size, 0)
    r = combine(a, size, x, y, "sub")
    flags.after_sub(a, size, x, y, lambda: r)
    a.write(0, r, size)


@form("NOT r/m{8,16,32,64}", page="2B NOT")
def not_(a: Asm) -> None:
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    x = a.read(0, size)
    a.get(x)
    a.const(size, -1)
    a.op(f"{t(size)}.xor")
    flags.cut(a, size)
    a.write(0, a.keep(type_of(size)), size)


@form("XADD r/m{8,16,32,64}, r{8,16,32,64}", page="2D XADD")
def xadd(a: Asm) -> None:
    size, x, y = operands(a)
    r = combine(a, size, x, y, "add")
    flags.after_add(a, size, x, y, r)
    old = x
    if size == 64 and not a.is_memory(0):
        a.get(x)
        old = a.keep(type_of(size))
    a.write(1, old, size)
    a.write(0, r, size)


@form("CMPXCHG r/m{8,16,32,64}, r{8,16,32,64}", page="2A CMPXCHG")
def cmpxchg(a: Asm) -> None:
    """Memory is written in both cases: with its own value when it was not equal. A register is then left alone, its
    upper half too."""
    size, x, y = operands(a)
    a.gpr(0, size)
    accumulator = a.keep(type_of(size))
    if size == 64:
        a.get(x)
        x = a.keep(type_of(size))
    flags.compare(a, size, accumulator, x, "eq")
    equal = a.keep(I32)
    flags.after_sub(a, size, accumulator, x, _once(lambda: combine(a, size, accumulator, x, "sub")))
    if size == 32 and not a.is_memory(0):
        number = a.register(0)[1]
        a.get(y)
        a.op("i64.extend_i32_u")
        a.gpr(number)
        a.get(equal)
        a.op("select")
        a.set(GPR + number)
    else:
        a.get(y, x, equal)
        a.op("select")
        a.write(0, a.keep(type_of(size)), size)
    a.get(equal)
    a.op("i32.eqz")
    a.if_()
    a.set_gpr(0, size, x)
    a.end()


@form("{CLC,STC,CMC}", page="2A CLC, STC, CMC")
def carry_flag(a: Asm) -> None:
    name = a.insn.op_code().instruction_string
    if name == "CMC":
        a.get_flag(C)
        a.op("i32.eqz")
    else:
        a.op("i32.const", int(name == "STC"))
    a.flag(C)
    flags.composites(a, C)
