"""In: one x86 instruction and the flags that are wanted after it. Out: its wasm, with holes for addresses.

Values live in locals: a register of 64 bits is its own local, everything else is read into a temporary (i32 for 8, 16
and 32 bits, zero-extended; i64 for 64; v128 for 128) and written from one. A form reads its operands, computes result
and flags into temporaries, and writes its destination last, so that a fault in a memory operand leaves all as it was.

Short code is what the wasm's size, its compilation and the lifting itself are made of. So a constant or a part of a
register has a local only by name, from DELAYED on: it is computed where it is read. And a temporary that is read once,
at once, is none: `done` takes it out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from iced_x86 import Instruction, OpKind, Register

from recompiler.lift.asm import x87
from recompiler.lift.x86 import regs
from recompiler.lift.x86.names import MEMORY_BITS, REGISTERS
from recompiler.lift.x86.regs import F32, F64, FIRST_TEMPORARY, GPR, I32, I64, TEMPORARIES, V128, XMM
from recompiler.wasm import leb
from recompiler.wasm.opcodes import BY_NAME

Local = int
PLACE: Final = b"\x80\x80\x80\x80\x00"  # five bytes of LEB128, filled in when the address is known
DELAYED: Final = 128  # the first local that is none
SHORT: Final = 3  # bytes: computing it again is as short as keeping it
OFFSET_MAX: Final = 1 << 16  # a displacement below may be the memarg's: nothing is mapped below this address

# Functions of every lifted module: imports, then the runtime (runtime.py), then the guest's.
IMPORTS: Final = ("syscall", "fault", "unlifted", "cpuid", "rdtsc", "safepoint", "stmxcsr", "ldmxcsr")
RUNTIME: Final = ("run", "div_u128", "div_s128", *x87.names())
FUNCTION: Final = {name: number for number, name in enumerate(IMPORTS + RUNTIME)}
FIRST: Final = len(FUNCTION)  # index of the guest's first function

_CODE: Final = {name: (row.code, row.immediates) for name, row in BY_NAME.items()}
GET: Final = [b"\x20" + leb.u32(n) for n in range(128)]
SET: Final = [b"\x21" + leb.u32(n) for n in range(128)]
_TEE_CODE: Final = 0x22
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

    __slots__ = (
        *("_address", "_delayed", "_gets", "_kept", "_low", "_set_at", "_tees", "_used"),
        *("holes", "insn", "out", "want"),
    )

    def __init__(self, insn: Instruction, want: int = 0) -> None:
        self.insn = insn
        self.want = want
        self.out = bytearray()
        self.holes: list[tuple[int, int]] = []  # (offset in out, address - end of the instruction)
        self._used = dict.fromkeys(_FIRST, 0)
        self._address: Local | None = None  # of the memory operand, once it has been computed
        self._delayed: list[tuple[int, bytes]] = []  # of each local from DELAYED on: its type, and what pushes it
        self._kept: dict[Local, Local] = {}  # one of these -> the temporary that has it since it was first read
        self._low: dict[Local, int] = {}  # one of these -> the register of which it is the low part
        self._set_at = 0  # the end of a `set` of a temporary that is the last instruction
        self._tees: list[tuple[int, Local]] = []  # (offset, temporary)
        self._gets: dict[Local, int] = {}  # temporary -> how often it is read but for its tee

    # ---- wasm

    def op(self, name: str, *immediates: int) -> None:
        """One wasm instruction; for a memory access the immediates are (offset,) or (offset, lane)."""
        if name in _STRUCTURE:
            self._settle()
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
            if each < FIRST_TEMPORARY:
                self.out += GET[each]
            elif each >= DELAYED:
                self._get_delayed(each)
            elif self._set_at == len(self.out) and self.out[-1] == each:
                self.out[-2] = _TEE_CODE
                self._tees.append((len(self.out) - 2, each))
                self._set_at = 0
            else:
                self.out += GET[each]
                self._gets[each] = self._gets.get(each, 0) + 1

    def _get_delayed(self, local: Local) -> None:
        kept = self._kept.get(local)
        if kept is not None:
            self.get(kept)
            return
        type_, code = self._delayed[local - DELAYED]
        self.out += code
        if len(code) > SHORT:
            kept = self._kept[local] = self.new(type_)
            self._tees.append((len(self.out), kept))
            self.tee(kept)

    def _settle(self) -> None:
        """Control flow comes: what is read on one way only cannot be computed where it is first read."""
        for n, (type_, code) in enumerate(self._delayed, DELAYED):
            if len(code) > SHORT and n not in self._kept:
                self.out += code
                self._kept[n] = self.keep(type_)

    def _delay(self, type_: int, code: bytes) -> Local:
        self._delayed.append((type_, code))
        return DELAYED + len(self._delayed) - 1

    def done(self) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """The code and its holes, without the temporaries that nobody reads again."""
        out, holes = self.out, self.holes
        for at, local in reversed(self._tees):
            if not self._gets.get(local):
                del out[at : at + 2]
                holes = [(offset - 2 * (offset > at), displacement) for offset, displacement in holes]
        return bytes(out), tuple(holes)

    def set(self, local: Local) -> None:
        self.out += SET[local]
        if local >= FIRST_TEMPORARY:
            self._set_at = len(self.out)

    def tee(self, local: Local) -> None:
        self.out += _TEE[local]

    def const(self, size: int, value: int) -> None:
        """An i64 for size 64, else an i32; value may be signed or unsigned."""
        bits = 64 if size == 64 else 32
        value &= (1 << bits) - 1
        self.out += (b"\x42" if size == 64 else b"\x41") + leb.s64(value - (value >> bits - 1 << bits))

    def constant(self, size: int, value: int) -> Local:
        """A constant as a local."""
        at = len(self.out)
        self.const(size, value)
        code = bytes(self.out[at:])
        del self.out[at:]
        return self._delay(type_of(size), code)

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
        self.op("end")

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
            return MEMORY_BITS[self.insn.memory_size]
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
            self.get(local)
            if high:
                self.op("i32.const", 8)
                self.op("i32.shl")
            self.op("i64.extend_i32_u")
            self.get(GPR + number)
            self.op("i64.const", ~(0xFF00 if high else (1 << size) - 1))
            self.ops("i64.and", "i64.or")
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
            return GPR + number if size == 64 else self._part(number, size, high)
        if self.is_immediate(i):
            return self.constant(size, self.immediate(i) & ((1 << size) - 1))
        self.load(i, size)
        return self.keep(type_of(size))

    def _part(self, number: int, size: int, high: bool) -> Local:
        at = len(self.out)
        self.gpr(number, size, high)
        local = self._delay(I32, bytes(self.out[at:]))
        del self.out[at:]
        if not high:
            self._low[local] = number
        return local

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

    def effective(self, size: int = 64, displacement: int | None = None) -> None:
        """Pushes the effective address without segment, as LEA has it; with another displacement when one is given."""
        insn = self.insn
        word = t(size)
        if insn.is_ip_rel_memory_operand:
            self.place(_signed(insn.memory_displacement - insn.len, 32), size)
            return
        base, index = insn.memory_base, insn.memory_index
        if displacement is None:
            displacement = _signed(insn.memory_displacement, 64)
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
        segment = {Register.FS: "fs", Register.GS: "gs"}.get(insn.segment_prefix)
        base, index, displacement = insn.memory_base, insn.memory_index, _signed(insn.memory_displacement, 64)
        plain = not insn.is_ip_rel_memory_operand and 0 <= displacement < OFFSET_MAX
        if plain and segment and not base and not index:
            self.get_global(segment)
            self.op("i32.wrap_i64")
            return displacement
        if plain and not segment and base and all(REGISTERS[each][2] == 64 for each in (base, index) if each):
            self.effective(32, 0)
            return displacement
        self.effective(32)
        if segment:
            self.get_global(segment)
            self.ops("i32.wrap_i64", "i32.add")
        return 0

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
        whole = self._low.get(local)
        if whole is not None:
            self.get(GPR + whole)
            self.op(_STORE_LOW[size], offset)
            return
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
_STORE_LOW: Final = {8: "i64.store8", 16: "i64.store16", 32: "i64.store32"}
_STRUCTURE: Final = frozenset(("if", "else", "end", "block", "loop", "br", "br_if"))
_STORE: Final = {8: "i32.store8", 16: "i32.store16", 32: "i32.store", 64: "i64.store", 128: "v128.store"}


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


__all__ = ["F32", "F64", "I32", "I64", "V128", "Asm", "Unlifted", "t", "type_of"]
