"""Bytes in, numbers and names out (LEB128 as WebAssembly has it: no longer than its width needs), and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error


def u32(value: int) -> bytes:
    """Unsigned LEB128, shortest form; any width."""
    small = _UNSIGNED.get(value)
    if small is not None:
        return small
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def s64(value: int) -> bytes:
    """Signed LEB128, shortest form; any width."""
    small = _SIGNED.get(value)
    if small is not None:
        return small
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


_UNSIGNED: Final[dict[int, bytes]] = {}
_UNSIGNED.update((n, u32(n)) for n in range(1 << 10))  # most numbers are small
_SIGNED: Final[dict[int, bytes]] = {}
_SIGNED.update((n, s64(n)) for n in range(-(1 << 7), 1 << 10))


@dataclass(slots=True)
class Cursor:
    """A place in a module; nothing at or after end is read. What does not fit raises Error E_WASM_INVALID."""

    data: bytes
    at: int
    end: int

    def fail(self, text: str, at: int | None = None) -> Error:
        """The refusal of what stands here."""
        return Error("E_WASM_INVALID", text, self.at if at is None else at)

    def byte(self) -> int:
        if self.at >= self.end:
            raise self.fail("the module ends early here")
        value = self.data[self.at]
        self.at += 1
        return value

    def take(self, size: int) -> bytes:
        if size > self.end - self.at:
            raise self.fail(f"{size} bytes do not fit here")
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def part(self, size: int) -> Cursor:
        """A cursor of the next size bytes, which this one steps over."""
        if size > self.end - self.at:
            raise self.fail(f"{size} bytes do not fit here")
        self.at += size
        return Cursor(self.data, self.at - size, self.at)

    def name(self) -> bytes:
        return self.take(self.u32())

    def u32(self) -> int:
        data, at = self.data, self.at
        if at + 1 < self.end:  # nearly all numbers have one byte or two
            first, second = data[at], data[at + 1]
            if first < 0x80:
                self.at = at + 1
                return first
            if second < 0x80:
                self.at = at + 2
                return first & 0x7F | second << 7
        return self._unsigned(32)

    def u64(self) -> int:
        return self._unsigned(64)

    def s33(self) -> int:
        return self._signed(33)

    def s32(self) -> int:
        return self._signed(32)

    def s64(self) -> int:
        return self._signed(64)

    def finish(self, what: str) -> None:
        """Refuses bytes that are left over."""
        if self.at != self.end:
            raise self.fail(f"{self.end - self.at} bytes are left over after the {what}")

    def _raw(self, bits: int) -> tuple[int, int]:
        start, value, shift = self.at, 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, shift
            if shift >= bits:
                raise self.fail(f"a number has more than {bits} bits", start)

    def _unsigned(self, bits: int) -> int:
        start = self.at
        value, _ = self._raw(bits)
        if value >> bits:
            raise self.fail(f"a number has more than {bits} bits", start)
        return value

    def _signed(self, bits: int) -> int:
        start = self.at
        value, shift = self._raw(bits)
        if value >> (shift - 1) & 1:
            value -= 1 << shift
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise self.fail(f"a number has more than {bits} bits", start)
        return value
