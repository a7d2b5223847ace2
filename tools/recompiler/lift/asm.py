"""In: one x86 instruction and the flags that are wanted after it. Out: its wasm, with holes for addresses.

Values live in locals: a register of 64 bits is its own local, everything else is read into a temporary (i32 for 8, 16
and 32 bits, zero-extended; i64 for 64; v128 for 128) and written from one. A form reads its operands, computes result
and flags into temporaries, and writes its destination last, so that a fault in a memory operand leaves all as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from iced_x86 import Instruction, OpKind, Register, RegisterInfo

from recompiler.lift import regs, x87
from recompiler.lift.regs import F32, F64, FIRST_TEMPORARY, GPR, I32, I64, TEMPORARIES, V128, XMM
from recompiler.merge import leb
from recompiler.merge.opcodes import BY_NAME

Local = int
PLACE: Final = b"\x80\x80\x80\x80\x00"  # five bytes of LEB128, filled in when the address is known
OFFSET_MAX: Final = 1 << 16  # a displacement below may be the memarg's: nothing is mapped below this address

# Functions of every lifted module: imports, then the runtime (runtime.py), then the guest's.
IMPORTS: Final = ("syscall", "fault", "unlifted", "cpuid", "rdtsc", "safepoint", "stmxcsr", "ldmxcsr")
RUNTIME: Final = ("indirect", "jump", "run", "div_u128", "div_s128", *x87.names())
FUNCTION: Final = {name: number for number, name in enumerate(IMPORTS + RUNTIME)}

_CODE: Final = {name: (row.code, row.immediates) for name, row in BY_NAME.items()}
_GET: Final = [b"\x20" + leb.u32(n) for n in range(128)]
_SET: Final = [b"\x21" + leb.u32(n) for n in range(128)]
_TEE: Final = [b"\x22" + leb.u32(n) for n in range(128)]
_MEMORY_KINDS: Final = frozenset((OpKind.MEMORY,))
_IMMEDIATES: Final = frozenset(
    (
        *(OpKind.IMMEDIATE8, OpKind.IMMEDIATE16, OpKind.IMMEDIATE32, OpKind.IMMEDIATE64, OpKind.IMMEDIATE8TO16),
        *(OpKind.IMMEDIATE8TO32, OpKind.IMMEDIATE8TO64, OpKind.IMMEDIATE32TO64),
    )
)
_FIRST: Final = {}
_at = FIRST_TEMPORARY
for _type, _count in TEMPORARIES:
    _FIRST[_type] = (_at, _count)
    _at += _count


def _register(register: int) -> tuple[str, int, int, bool]:
    """Kind, number, bits and whether it is AH CH DH BH."""
    info = RegisterInfo(register)  # type: ignore[arg-type]  # the stubs' enumerations are ints at run time
    if Register.AL <= register <= Register.R15:
        high = Register.AH <= register <= Register.BH
        full = RegisterInfo(info.full_register).number
        return "gpr", full, info.size * 8, high
    kinds = (
        ("xmm", Register.XMM0, Register.XMM15),
        ("st", Register.ST0, Register.ST7),
        ("mm", Register.MM0, Register.MM7),
    )
    for kind, first, last in kinds:
        if first <= register <= last:
            return kind, register - first, {"xmm": 128, "st": 80, "mm": 64}[kind], False
    return "other", info.number, info.size * 8, False


REGISTERS: Final = {register: _register(register) for register in range(1, Register.R15 + 1)} | {
    register: _register(register)
    for first, last in (
        (Register.ES, Register.GS),
        (Register.XMM0, Register.XMM15),
        (Register.ST0, Register.ST7),
        (Register.MM0, Register.MM7),
    )
    for register in range(first, last + 1)
}


def type_of(size: int) -> int:
    """The wasm type that holds a value of this many bits."""
    return V128 if size == 128 else I64 if size == 64 else I32


def t(size: int) -> str:
    """`i64` for 64 bits, `i32` for fewer."""
    return "i64" if size == 64 else "i32"


class Unlifted(Exception):
    """The instruction has no wasm here; its text is the ledger's reason."""


class Asm:
    """The wasm of one instruction, growing. insn was decoded at address 0; want is a mask of regs.STATUS."""

    __slots__ = ("_address", "_used", "holes", "insn", "out", "want")

    def __init__(self, insn: Instruction, want: int = 0) -> None:
        self.insn = insn
        self.want = want
        self.out = bytearray()
        self.holes: list[tuple[int, int]] = []  # (offset in out, address - end of the instruction)
        self._used = dict.fromkeys(_FIRST, 0)
        self._address: Local | None = None  # of the memory operand, once it has been computed

    # ---- wasm

    def op(self, name: str, *immediates: int) -> None:
        """One wasm instruction; for a memory access the immediates are (offset,) or (offset, lane)."""
        code, letters = _CODE[name]
        self.out += code
        if not letters:
            return
        if letters[:1] == "m":
            self.out += b"\0" + leb.u32(immediates[0])
            self.out += bytes(immediates[1:])
            return
        for letter, value in zip(letters, immediates, strict=True):
            if letter in "iI":
                self.out += leb.s64(value)
            elif letter in "bn":
                self.out.append(value & 0xFF)
            else:
                self.out += leb.u32(value)

    def ops(self, *names: str) -> None:
        """Wasm instructions without immediates."""
        for name in names:
            self.out += _CODE[name][0]

    def get(self, *local: Local) -> None:
        for each in local:
            self.out += _GET[each]

    def set(self, local: Local) -> None:
        self.out += _SET[local]

    def tee(self, local: Local) -> None:
        self.out += _TEE[local]

    def const(self, size: int, value: int) -> None:
        """An i64 for size 64, else an i32; value may be signed or unsigned."""
        bits = 64 if size == 64 else 32
        value &= (1 << bits) - 1
        self.out += (b"\x42" if size == 64 else b"\x41") + leb.s64(value - (value >> bits - 1 << bits))

    def real(self, bits: int, value: float) -> None:
        """A constant of 32 or 64 bits."""
        self.out += b"\x43" + struct.pack("<f", value) if bits == 32 else b"\x44" + struct.pack("<d", value)

    def vector(self, low: int, high: int) -> None:
        """A v128 constant of two 64-bit halves."""
        self.out += _CODE["v128.const"][0] + (low | high << 64).to_bytes(16, "little")

    def shuffle(self, lanes: list[int]) -> None:
        """i8x16.shuffle of the two v128 on the stack."""
        self.out += _CODE["i8x16.shuffle"][0] + bytes(lanes)

    def call(self, name: str) -> None:
        """A function of IMPORTS or RUNTIME."""
        self.op("call", FUNCTION[name])

    def if_(self, result: int = 0x40) -> None:
        """`if`; result is a value type, or none."""
        self.op("if", result)

    def else_(self) -> None:
        self.op("else")

    def end(self) -> None:
        self.out.append(0x0B)

    def new(self, type_: int) -> Local:
        """A temporary of this instruction."""
        first, count = _FIRST[type_]
        used = self._used[type_]
        assert used < count, "temporaries"
        self._used[type_] = used + 1
        return first + used

    def keep(self, type_: int) -> Local:
        """Pops the stack into a new temporary."""
        local = self.new(type_)
        self.set(local)
        return local

    def get_global(self, name: str) -> None:
        self.op("global.get", regs.GLOBAL[name])

    def set_global(self, name: str) -> None:
        self.op("global.set", regs.GLOBAL[name])

    def place(self, displacement: int, size: int) -> None:
        """A constant that is the address at this displacement from the end of the instruction."""
        self.out += b"\x42" if size == 64 else b"\x41"
        self.holes.append((len(self.out), displacement))
        self.out += PLACE

    def fault(self, signal: int) -> None:
        """Ends here as the CPU's exception does: the host turns it into a signal."""
        self.op("i32.const", signal)
        self.place(-self.insn.len, 64)
        self.call("fault")
        self.op("unreachable")

    # ---- operands

    def is_memory(self, i: int) -> bool:
        return self.insn.op_kind(i) in _MEMORY_KINDS

    def is_immediate(self, i: int) -> bool:
        return self.insn.op_kind(i) in _IMMEDIATES

    def register(self, i: int) -> tuple[str, int, int, bool]:
        """Kind, number, bits, high byte of a register operand."""
        return REGISTERS[self.insn.op_register(i)]

    def size(self, i: int = 0) -> int:
        """Bits of an operand; of an immediate those of operand 0."""
        kind = self.insn.op_kind(i)
        if kind == OpKind.REGISTER:
            return self.register(i)[2]
        if kind in _MEMORY_KINDS:
            return _MEMORY_BITS[self.insn.memory_size]
        return self.size(0)

    def gpr(self, number: int, size: int = 64, high: bool = False) -> None:
        """Pushes a general register: i64 for 64 bits, else i32 zero-extended."""
        self.get(GPR + number)
        if size == 64:
            return
        self.op("i32.wrap_i64")
        if high:
            self.op("i32.const", 8)
            self.op("i32.shr_u")
        if size < 32:
            self.op("i32.const", (1 << size) - 1)
            self.op("i32.and")

    def set_gpr(self, number: int, size: int, local: Local, high: bool = False) -> None:
        """Writes a general register from a temporary as the CPU does: 32 bits clear the upper half, fewer keep it."""
        if size == 64:
            self.get(local)
        elif size == 32:
            self.get(local)
            self.op("i64.extend_i32_u")
        else:
            shift, mask = (8, 0xFF00) if high else (0, (1 << size) - 1)
            self.get(GPR + number)
            self.op("i64.const", ~mask)
            self.op("i64.and")
            self.get(local)
            if shift:
                self.op("i32.const", shift)
                self.op("i32.shl")
            self.op("i32.const", mask)
            self.ops("i32.and", "i64.extend_i32_u", "i64.or")
        self.set(GPR + number)

    def immediate(self, i: int) -> int:
        """An immediate, sign-extended as the form says, as an unsigned number of 64 bits."""
        return int(self.insn.immediate(i))

    def read(self, i: int, size: int | None = None) -> Local:
        """An operand's value in a local, perhaps the register's own: do not write to it, nor to that register before
        the value was used."""
        size = self.size(i) if size is None else size
        if self.insn.op_kind(i) == OpKind.REGISTER:
            kind, number, _, high = self.register(i)
            if kind == "xmm":
                return self._read_xmm(number, size)
            if size == 64:
                return GPR + number
            self.gpr(number, size, high)
        elif self.is_immediate(i):
            value = self.immediate(i)
            self.const(size, value & ((1 << size) - 1))
        else:
            self.load(i, size)
        return self.keep(type_of(size))

    def _read_xmm(self, number: int, size: int) -> Local:
        if size == 128:
            return XMM + number
        self.get(XMM + number)
        self.op("i64x2.extract_lane" if size == 64 else "i32x4.extract_lane", 0)
        return self.keep(type_of(size))

    def write(self, i: int, local: Local, size: int | None = None) -> None:
        """Writes an operand from a temporary."""
        size = self.size(i) if size is None else size
        if self.insn.op_kind(i) == OpKind.REGISTER:
            kind, number, _, high = self.register(i)
            if kind == "xmm":
                assert size == 128
                self.get(local)
                self.set(XMM + number)
            else:
                self.set_gpr(number, size, local, high)
        else:
            self.store(i, local, size)

    # ---- memory

    def effective(self, size: int = 64) -> None:
        """Pushes the effective address without segment, as LEA has it."""
        insn = self.insn
        word = t(size)
        if insn.is_ip_rel_memory_operand:
            self.place(_signed(insn.memory_displacement - insn.len, 64), size)
            return
        base, index, displacement = insn.memory_base, insn.memory_index, _signed(insn.memory_displacement, 64)
        terms = 0
        if base:
            self._address_part(base, size)
            terms += 1
        if index:
            self._address_part(index, size)
            if insn.memory_index_scale > 1:
                self.const(size, insn.memory_index_scale.bit_length() - 1)
                self.op(f"{word}.shl")
            if terms:
                self.op(f"{word}.add")
            terms += 1
        if displacement or not terms:
            self.const(size, displacement)
            if terms:
                self.op(f"{word}.add")

    def _address_part(self, register: int, size: int) -> None:
        _, number, bits, _ = REGISTERS[register]
        if bits == 8:  # XLATB's AL
            self.gpr(number, 8)
            return
        self.get(GPR + number)
        if size != 64:
            self.op("i32.wrap_i64")
        elif bits == 32:  # address-size prefix: LEA with 32-bit registers
            self.op("i64.const", 0xFFFFFFFF)
            self.op("i64.and")

    def address(self) -> int:
        """Pushes the i32 address of the memory operand; returns the memarg offset to use with it.

        The first time it is computed, later it is read again: for a read, then a write of the same operand.
        """
        if self._address is not None:
            self.get(self._address)
            return 0
        insn = self.insn
        offset = 0
        segment = {Register.FS: "fs", Register.GS: "gs"}.get(insn.segment_prefix)
        displacement = _signed(insn.memory_displacement, 64)
        plain = insn.memory_base and not insn.memory_index and not insn.is_ip_rel_memory_operand
        if plain and not segment and 0 <= displacement < OFFSET_MAX and REGISTERS[insn.memory_base][2] == 64:
            self._address_part(insn.memory_base, 32)
            offset = displacement
        else:
            self.effective(32)
        if segment:
            self.get_global(segment)
            self.ops("i32.wrap_i64", "i32.add")
        return offset

    def hold_address(self) -> None:
        """Computes the address once into a temporary, for operands that are used more than once."""
        if self._address is not None:
            return
        offset = self.address()
        if offset:
            self.op("i32.const", offset)
            self.op("i32.add")
        self._address = self.keep(I32)

    def move_address(self, push: Callable[[], None]) -> None:
        """Holds the address plus an i32 that push leaves on the stack."""
        self.hold_address()
        assert self._address is not None
        self.get(self._address)
        push()
        self.op("i32.add")
        self.set(self._address)

    def load(self, i: int, size: int) -> None:
        """Pushes a memory operand; holds its address when the instruction writes it too."""
        del i  # x86 has one memory operand per instruction (string instructions have their own way)
        offset = self.address()
        self.op(_LOAD[size], offset)

    def store(self, i: int, local: Local, size: int) -> None:
        """Stores a temporary into the memory operand."""
        del i
        offset = self.address()
        self.get(local)
        self.op(_STORE[size], offset)

    # ---- flags

    def wants(self, flags: int) -> bool:
        return bool(self.want & flags)

    def flag(self, flag: int) -> None:
        """Pops an i32 that is 0 or 1 into the flag."""
        self.set(regs.flag_local(flag))

    def get_flag(self, flag: int) -> None:
        self.get(regs.flag_local(flag))


_LOAD: Final = {8: "i32.load8_u", 16: "i32.load16_u", 32: "i32.load", 64: "i64.load", 128: "v128.load"}
_STORE: Final = {8: "i32.store8", 16: "i32.store16", 32: "i32.store", 64: "i64.store", 128: "v128.store"}


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


def _memory_bits() -> dict[int, int]:
    from iced_x86 import MemorySize, MemorySizeInfo

    return {
        size: MemorySizeInfo(size).size * 8  # type: ignore[arg-type]
        for name, size in vars(MemorySize).items()
        if isinstance(size, int) and not name.startswith("_")
    }


_MEMORY_BITS: Final = _memory_bits()
__all__ = ["F32", "F64", "I32", "I64", "V128", "Asm", "Unlifted", "t", "type_of"]
