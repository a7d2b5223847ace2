"""The binary encoding of docs/wire.md. In: frames of syscall records. Out: frames of replies.

FRAME   magic RCW1 | length u32 | type u16 | flags u16 | count u32 | id u64 | reserved u64          32 bytes
RECORD  nr u32 | payload u32 | args 6 x i64 | reserved u64                                          64 bytes
REPLY   ret i64 | data u32 | reserved u32                                                           16 bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.wire.stream import Stream

MAGIC: Final = b"RCW1"
LENGTH_MAX: Final = 1 << 20  # bytes after the header
COUNT_MAX: Final = 64
ID_END: Final = 1 << 53
DEPTH_MAX: Final = 8  # of the JSON in a MESSAGE
SYSCALLS: Final = 1
REPLIES: Final = 2
MESSAGE: Final = 3

FRAME: Final = Struct("<4sIHHIQQ")
RECORD: Final = Struct("<IIqqqqqqQ")
REPLY: Final = Struct("<qII")
ONE_REPLY: Final = Struct(FRAME.format + REPLY.format[1:])
_SIZE: Final = Struct("<I")
_unpack_frame = FRAME.unpack_from
_unpack_record = RECORD.unpack_from
_pack_one = ONE_REPLY.pack

# One syscall as it came: number, arguments by place (0 where a string stands), strings, data.
Call = tuple[int, Sequence[int], Sequence[bytes], bytes]
# A batch with the id of its first call, or a message.
Request = tuple[int, list[Call]] | dict[str, Any]


class BinaryCodec:
    """Requests from and replies to one stream. `strings`: number of a syscall -> how many its payload begins with."""

    def __init__(self, stream: Stream, strings: Mapping[int, int]) -> None:
        self._stream = stream
        self._strings = strings
        self._last = 0

    def read(self) -> Request | None:
        """The next request; None when the peer closed between two frames.

        Raises Error (E_RPC_FRAME, E_RPC_JSON, E_RPC_CLOSED, E_RPC_FDS, E_SOCK_PEER).
        """
        stream = self._stream
        if stream.end - stream.start < 32 and not stream.need(32):
            return None
        magic, length, kind, flags, count, first, reserved = _unpack_frame(stream.view, stream.start)
        if magic != MAGIC or length > LENGTH_MAX or flags or reserved:
            raise _refused(f"a frame header of magic {magic!r}, length {length}, flags {flags}, reserved {reserved}")
        if kind == SYSCALLS:
            if not 1 <= count <= COUNT_MAX or length < 64 * count:
                raise _refused(f"{count} records in a frame of {length} bytes")
            if not self._last < first <= ID_END - count:
                raise _refused(f"id {first} after id {self._last}")
            self._last = first + count - 1
        elif kind != MESSAGE or count or first:
            raise _refused(f"a frame of type {kind}, {count} records, id {first}")
        if stream.end - stream.start < 32 + length:
            stream.need(32 + length)
        start = stream.start + 32
        end = stream.start = start + length
        if kind == MESSAGE:
            return strictjson.loads(bytes(stream.view[start:end]), max_depth=DEPTH_MAX, code="E_RPC_JSON")
        at = start + 64 * count
        if count == 1:
            return first, [self._call(stream.view, start, at, end - at)]
        return first, self._calls(stream.view, start, at, end)

    def _calls(self, view: memoryview, start: int, payloads: int, end: int) -> list[Call]:
        calls: list[Call] = []
        at = payloads
        for place in range(start, payloads, 64):
            (size,) = _SIZE.unpack_from(view, place + 4)
            if size > end - at:
                raise _refused(f"a record of {size} bytes of payload, where {end - at} are left")
            calls.append(self._call(view, place, at, size))
            at += size
        if at != end:
            raise _refused(f"{end - at} bytes after the last payload")
        return calls

    def _call(self, view: memoryview, place: int, at: int, room: int) -> Call:
        nr, size, a, b, c, d, e, f, reserved = _unpack_record(view, place)
        if size != room or reserved:
            raise _refused(f"a record of {size} bytes of payload, where {room} are left, reserved {reserved}")
        payload = bytes(view[at : at + size])
        wanted = self._strings.get(nr)
        if wanted is None:
            return nr, (a, b, c, d, e, f), (), payload
        strings = payload.split(b"\0", wanted)
        if len(strings) <= wanted:
            raise _refused(f"syscall {nr} with fewer than {wanted} strings")
        payload = strings.pop()
        return nr, (a, b, c, d, e, f), strings, payload

    def reply(self, first: int, value: int, data: bytes) -> None:
        """Answers one call. Raises Error (E_SOCK_TIMEOUT, E_RPC_CLOSED)."""
        size = len(data)
        frame = _pack_one(MAGIC, 16 + size, REPLIES, 0, 1, first, 0, value, size, 0)
        self._stream.send(frame + data if size else frame)

    def replies(self, first: int, answers: Sequence[tuple[int, bytes]]) -> None:
        """Answers the calls first, first + 1, ... in one frame; the caller keeps it within LENGTH_MAX."""
        data = b"".join(data for _, data in answers)
        records = b"".join(REPLY.pack(value, len(data), 0) for value, data in answers)
        header = FRAME.pack(MAGIC, len(records) + len(data), REPLIES, 0, len(answers), first, 0)
        self._stream.send(header + records + data)

    def message(self, message: dict[str, Any]) -> bytes:
        """A message to the guest, encoded."""
        text = strictjson.dumps(message)
        return FRAME.pack(MAGIC, len(text), MESSAGE, 0, 0, 0, 0) + text

    def claim(self, number: int) -> None:
        """Takes the id of a message as the latest one. Raises Error (E_RPC_FRAME) when it does not increase."""
        if not self._last < number < ID_END:
            raise _refused(f"id {number} after id {self._last}")
        self._last = number


def _refused(what: str) -> Error:
    return Error("E_RPC_FRAME", what)
