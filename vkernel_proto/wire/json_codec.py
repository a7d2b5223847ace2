"""The json encoding of docs/wire.md. In: one strict-JSON object per line. Out: the same; bytes are base64."""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.wire.frames import DEPTH_MAX, ID_END, Call, Request
from vkernel_proto.wire.stream import Stream

LINE_MAX: Final = 1 << 20  # with its LF
# A reply is a line too, so in this encoding a longer read is short: name -> place of its count.
COUNTS: Final = {"read": 1, "pread64": 1, "recvfrom": 1, "getdents64": 1, "readlinkat": 2, "getrandom": 0}
COUNT_MAX: Final = (LINE_MAX - 1024) // 4 * 3
# A name that no syscall of the table has still reaches the policy, with a number no syscall has.
UNKNOWN: Final = -1

# name of a syscall -> its number and the letters of its request: i integer, s string, d data
Table = Mapping[str, tuple[int, str]]


def read_line(stream: Stream, limit: int) -> bytes | None:
    """The next line without its LF; None when the peer closed before its first byte.

    Raises Error (E_RPC_FRAME: longer than limit; else as Stream.need).
    """
    searched = 0
    while True:
        unread = stream.end - stream.start
        if unread > searched:
            line, found, _ = bytes(stream.view[stream.start + searched : stream.end]).partition(b"\n")
            if found:
                end = stream.start + searched + len(line)
                text = bytes(stream.view[stream.start : end])
                stream.start = end + 1
                if len(text) >= limit:
                    break
                return text
            searched = unread
        if searched >= limit:
            break
        if not stream.receive(unread + 1):
            if not unread:
                return None
            raise Error("E_RPC_CLOSED", "the peer closed the connection inside a line")
    raise Error("E_RPC_FRAME", f"a line of more than {limit} bytes")


def decode(line: bytes) -> dict[str, Any]:
    """One line as an object. Raises Error (E_RPC_JSON)."""
    return strictjson.loads(line, max_depth=DEPTH_MAX, code="E_RPC_JSON")


def decode_bytes(text: object, field: str) -> bytes:
    """A base64 field (RFC 4648, padded, nothing else). Raises Error (E_RPC_JSON)."""
    if not isinstance(text, str):
        raise Error("E_RPC_JSON", f"{field} is not a string")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Error("E_RPC_JSON", f"{field} is not base64: {error}") from error
    # Strict mode still takes missing text before the padding, and unused bits that are not zero.
    if len(text) != (len(data) + 2) // 3 * 4 or text[-4:].encode() != b64encode(data[-(len(data) % 3 or 3) :]):
        raise Error("E_RPC_JSON", f"{field} is not base64 as it is written")
    return data


def check_fields(message: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type] = {}) -> None:
    """Each required field is there, none but these is, and each has its type. Raises Error (E_RPC_JSON)."""
    known = {**optional, **required}
    for name in required:
        if name not in message:
            raise Error("E_RPC_JSON", f"{name} is missing")
    for name, value in message.items():
        if name not in known:
            raise Error("E_RPC_JSON", f"unknown field {name[:64]!r}")
        if type(value) is not known[name]:
            raise Error("E_RPC_JSON", f"{name} is not of type {known[name].__name__}")


class JsonCodec:
    """Requests from and replies to one stream."""

    def __init__(self, stream: Stream, table: Table, cid: str) -> None:
        self._stream = stream
        self._table = table
        self._cid = cid
        self._last = 0

    def read(self) -> Request | None:
        """The next request; None when the peer closed between two lines.

        Raises Error (E_RPC_FRAME, E_RPC_JSON, E_RPC_CLOSED, E_RPC_FDS, E_SOCK_PEER).
        """
        line = read_line(self._stream, LINE_MAX)
        if line is None:
            return None
        message = decode(line)
        if message.get("type") != "syscall":
            return message
        check_fields(message, {"type": str, "id": int, "name": str}, {"args": list, "data": str, "cid": str})
        if message.get("cid", self._cid) != self._cid:
            raise Error("E_RPC_JSON", "cid is not the one of hello")
        self.claim(message["id"])
        return message["id"], [self._call(message)]

    def _call(self, message: dict[str, Any]) -> Call:
        data = decode_bytes(message["data"], "data") if "data" in message else b""
        given = message.get("args", [])
        name = message["name"]
        number, letters = self._table.get(name, (UNKNOWN, ""))
        if number == UNKNOWN:
            return UNKNOWN, (), (name.encode("utf-8"),), b""
        places = letters.replace("d", "")
        args, strings = [0] * 6, []
        if len(given) != len(places) or (data and "d" not in letters):
            raise Error("E_RPC_JSON", f"{name} takes {len(places)} args" + ("" if "d" in letters else " and no data"))
        for place, (letter, value) in enumerate(zip(places, given, strict=True)):
            if letter == "i" and type(value) is int:
                args[place] = value
            elif letter == "s" and type(value) is str and "\0" not in value:
                strings.append(value.encode("utf-8"))
            else:
                raise Error("E_RPC_JSON", f"args[{place}] of {name} is wrong")
        if name in COUNTS:
            args[COUNTS[name]] = min(args[COUNTS[name]], COUNT_MAX)
        return number, args, strings, data

    def reply(self, first: int, value: int, data: bytes) -> None:
        """Answers one call. Raises Error (E_SOCK_TIMEOUT, E_RPC_CLOSED)."""
        if data:
            self._stream.send(b'{"id":%d,"ret":%d,"data":"%b"}\n' % (first, value, b64encode(data)))
        else:
            self._stream.send(b'{"id":%d,"ret":%d}\n' % (first, value))

    def replies(self, first: int, answers: Sequence[tuple[int, bytes]]) -> None:
        """Answers the calls first, first + 1, ... one line each."""
        for number, (value, data) in enumerate(answers, first):
            self.reply(number, value, data)

    def message(self, message: dict[str, Any]) -> bytes:
        """A message to the guest, encoded."""
        return strictjson.dumps(message)

    def claim(self, number: int) -> None:
        """Takes an id as the latest one. Raises Error (E_RPC_FRAME) when it does not increase."""
        if not self._last < number < ID_END:
            raise Error("E_RPC_FRAME", f"id {number} after id {self._last}")
        self._last = number
