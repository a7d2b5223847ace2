"""What user code may ask of the system: identification, time, hints, barriers, segment bases and selectors, D."""

from __future__ import annotations

from iced_x86 import Register

from recompiler.lift.asm.assembler import Asm, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import GPR, I32, I64, RAX, RDX, D

RBX, RCX = 3, 1
SIGILL, SIGSEGV = 4, 11
# What Linux gives a process of 64 bits; the rest are 0.
SELECTORS = {Register.CS: 0x33, Register.SS: 0x2B}


@form(
    *("NOP", "NOP r/m{16,32,64}", "ENDBR{32,64}", "PAUSE", "{LFENCE,MFENCE,SFENCE}"),
    *("PREFETCH{NTA,T0,T1,T2,W} m8", "RDSSP{D r32,Q r64}"),
    page="2B NOP, PAUSE, PREFETCHh, RDSSPQ; 2A ENDBR64, LFENCE",
)
def nothing(a: Asm) -> None:
    """One thread: barriers are free. No shadow stack: RDSSPQ leaves its register."""
    del a


@form("CLFLUSH m8", page="2A CLFLUSH")
def clflush(a: Asm) -> None:
    """As a load."""
    a.load(0, 8)
    a.op("drop")


@form("CPUID", page="2A CPUID")
def cpuid(a: Asm) -> None:
    a.gpr(RAX, 32)
    a.gpr(RCX, 32)
    a.call("cpuid")
    for number in (RDX, RCX, RBX, RAX):
        a.op("i64.extend_i32_u")
        a.set(GPR + number)


@form("RDTSC", page="2B RDTSC")
def rdtsc(a: Asm) -> None:
    a.call("rdtsc")
    value = a.keep(I64)
    a.get(value)
    a.op("i64.const", 0xFFFFFFFF)
    a.op("i64.and")
    a.set(GPR + RAX)
    a.get(value)
    a.op("i64.const", 32)
    a.op("i64.shr_u")
    a.set(GPR + RDX)


@form("XGETBV", page="2D XGETBV")
def xgetbv(a: Asm) -> None:
    """CPUID says no OSXSAVE."""
    a.fault(SIGILL)


@form("{CLD,STD}", page="2A CLD, 2B STD")
def direction(a: Asm) -> None:
    a.op("i32.const", int(a.insn.op_code().instruction_string == "STD"))
    a.flag(D)


@form("RD{FS,GS,FS,GS}BASE r{32,32,64,64}", page="2B RDFSBASE/RDGSBASE")
def read_base(a: Asm) -> None:
    size = a.size(0)
    a.get_global(_segment(a))
    if size == 32:
        a.op("i32.wrap_i64")
    a.write(0, a.keep(type_of(size)))


@form("WR{FS,GS,FS,GS}BASE r{32,32,64,64}", page="2D WRFSBASE/WRGSBASE")
def write_base(a: Asm) -> None:
    """An address that is not canonical is #GP."""
    size = a.size(0)
    base = a.read(0)
    if size == 64:
        a.get(base)
        a.op("i64.const", 16)
        a.op("i64.shl")
        a.op("i64.const", 16)
        a.op("i64.shr_s")
        a.get(base)
        a.op("i64.ne")
        a.if_()
        a.fault(SIGSEGV)
        a.end()
    a.get(base)
    if size == 32:
        a.op("i64.extend_i32_u")
    a.set_global(_segment(a))


def _segment(a: Asm) -> str:
    return "fs" if "FS" in a.insn.op_code().instruction_string else "gs"


@form("MOV r/m16, Sreg", "MOV r{32,64}/m16, Sreg", page="2B MOV")
def selector(a: Asm) -> None:
    a.op("i32.const", SELECTORS.get(a.insn.op1_register, 0))
    value = a.keep(I32)
    size = 16 if a.is_memory(0) else a.size(0)
    if size == 64:
        a.get(value)
        a.op("i64.extend_i32_u")
        value = a.keep(I64)
    a.write(0, value, size)
