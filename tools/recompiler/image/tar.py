"""In: a stream that holds a tar archive. Out: its entries one by one, in bounded memory; nothing is extracted.

Python's tarfile reads an extension header whole, whatever its size, so the format is read here: ustar, the pax keys
path, linkpath and size, and GNU's L and K. Where readers of tar are known to differ, the archive is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recompiler.errors import Error
from recompiler.image.stream import CHUNK, Stream

BLOCK = 512
PATH_MAX = 4096  # limits.h
EXTENSION_MAX = 1 << 20
# Flags of POSIX ustar and of GNU tar.
TYPES = {b"0": "file", b"\0": "file", b"7": "file", b"1": "link", b"2": "symlink", b"5": "directory"}
TYPES |= {b"3": "device", b"4": "device", b"6": "device"}


@dataclass(slots=True)
class Entry:
    """One member. `offset` is where its data begins in the stream."""

    name: str
    type: str
    mode: int
    size: int
    target: str
    offset: int


class Tar:
    """Iterates over the entries of a stream; `chunks` gives the data of the entry that was reached last."""

    def __init__(self, stream: Stream, what: str) -> None:
        self.stream = stream
        self.what = what
        self.position = 0
        self.unread = 0
        self.padding = 0

    def fail(self, why: str) -> Error:
        return Error("E_IMAGE", f"{self.what}: {why}", self.position)

    def __iter__(self) -> Iterator[Entry]:
        """Raises Error E_IMAGE at the first thing that is not a well-formed archive."""
        while True:
            entry = self._next()
            if entry is None:
                return
            self.unread = entry.size
            self.padding = -entry.size % BLOCK
            yield entry

    def chunks(self) -> Iterator[bytes]:
        """The data of the current entry, in pieces of CHUNK bytes and a last shorter one."""
        while self.unread:
            yield self._take(min(self.unread, CHUNK))

    def _take(self, count: int) -> bytes:
        data = self.stream.read(count)
        self.position += len(data)
        self.unread -= len(data)
        if len(data) != count:
            raise self.fail("the archive ends inside an entry")
        return data

    def _next(self) -> Entry | None:
        self._pass_by(self.unread + self.padding)
        self.unread = self.padding = 0
        extra: dict[str, str] = {}
        while True:
            block = self.stream.read(BLOCK)
            if not block and not extra:
                return None  # no end mark: written by some tools, read by all
            self.position += len(block)
            if len(block) != BLOCK:
                raise self.fail("the archive ends inside a header")
            if not any(block):
                if extra:
                    raise self.fail("an extension header without an entry")
                self._end()
                return None
            kind, size = self._checked(block)
            if kind in (b"x", b"g", b"L", b"K"):
                self._extension(kind, size, extra)
            else:
                return self._entry(block, kind, size, extra)

    def _pass_by(self, count: int) -> None:
        skipped = self.stream.skip(count)
        self.position += skipped
        if skipped != count:
            raise self.fail("the archive ends inside an entry")

    def _end(self) -> None:
        """After the first zero block only zeros: another header there would be seen by some readers alone."""
        while data := self.stream.read(CHUNK):
            self.position += len(data)
            if data.count(0) != len(data):
                raise self.fail("data after the end of the archive")

    def _checked(self, block: bytes) -> tuple[bytes, int]:
        """Type flag and size of a header whose checksum is right."""
        if not header_checksum_ok(block):
            raise self.fail("a header's checksum is wrong")
        return block[156:157], self._number(block[124:136], "size")

    def _number(self, field: bytes, name: str) -> int:
        if field[0] == 0x80:  # GNU: base 256
            value = int.from_bytes(field[1:], "big")
        else:
            text = field.strip(b" \0")
            if text.strip(b"01234567"):
                raise self.fail(f"a header's {name} is not a number")
            value = int(text or b"0", 8)
        if value >= 1 << 62:
            raise self.fail(f"a header's {name} is too large")
        return value

    def _extension(self, kind: bytes, size: int, extra: dict[str, str]) -> None:
        if size > EXTENSION_MAX:
            raise self.fail(f"an extension header of {size} bytes")
        self.unread = size
        data = self._take(size) if size else b""
        self._pass_by(-size % BLOCK)
        if kind in (b"L", b"K"):
            extra["path" if kind == b"L" else "linkpath"] = self._text(data.rstrip(b"\0"), "name")
            return
        for key, value in self._pax(data):
            if key.startswith("GNU.sparse."):
                raise self.fail("a sparse file: its bytes are not those of the archive")
            if key in ("path", "linkpath", "size"):
                if kind == b"g":
                    raise self.fail(f"a global header that sets {key}")
                extra[key] = self._text(value, key)

    def _pax(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Records `LENGTH KEY=VALUE LF`, LENGTH counting itself (pax(1))."""
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 8)
            digits = data[at:space] if space > 0 else b""
            length = int(digits) if digits.isdigit() else 0
            end = at + length
            record = data[space + 1 : end]
            if space < 0 or end <= space + 1 or end > len(data) or record[-1:] != b"\n" or b"=" not in record:
                raise self.fail("a pax header with a malformed record")
            key, _, value = record[:-1].partition(b"=")
            yield key.decode("utf-8", "replace"), value
            at = end

    def _text(self, data: bytes, name: str) -> str:
        if b"\0" in data:
            raise self.fail(f"a {name} with a NUL byte")
        if len(data) > PATH_MAX:
            raise self.fail(f"a {name} of {len(data)} bytes")
        return data.decode("utf-8", "surrogateescape")

    def _entry(self, block: bytes, kind: bytes, size: int, extra: dict[str, str]) -> Entry:
        if kind not in TYPES:
            raise self.fail(f"an entry of unknown type {ascii(kind)[1:]}")
        name = _field(block[0:100])
        # POSIX only: in GNU's own format (magic "ustar  ") the prefix field holds other things.
        if block[257:263] == b"ustar\0" and block[345]:
            name = _field(block[345:500]) + b"/" + name
        path = extra.get("path", self._text(name, "name"))
        target = extra.get("linkpath", self._text(_field(block[157:257]), "link target"))
        type_ = TYPES[kind]
        if type_ == "file" and kind == b"\0" and path.endswith("/"):
            type_ = "directory"  # before ustar, a directory was a name with a slash
        if "size" in extra:
            if not extra["size"].isascii() or not extra["size"].isdigit() or len(extra["size"]) > 18:
                raise self.fail("a pax size that is not a number")
            size = int(extra["size"])
        if size and type_ != "file":  # readers disagree whether the data is there
            raise self.fail(f"a {type_} with {size} bytes of data")
        return Entry(path, type_, self._number(block[100:108], "mode") & 0o7777, size, target, self.position)


def _field(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def header_checksum_ok(block: bytes) -> bool:
    """Whether 512 bytes are a tar header by their checksum (the field itself counts as spaces)."""
    text = block[148:156].strip(b" \0")
    if len(block) != BLOCK or not text or text.strip(b"01234567"):
        return False
    return int(text, 8) == sum(block[:148]) + 8 * 0x20 + sum(block[156:])
