"""In: bytes of a file, from an offset. Out: the same bytes decompressed and digested on the way, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from typing import BinaryIO, Protocol, cast

import zstandard

from recompiler.errors import Error

CHUNK = 1 << 16
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
ZSTD_WINDOW = 1 << 27  # the largest window a decoder must accept without being asked (zstd(1), --long)


class Stream(Protocol):
    """What a tar archive is read from."""

    def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end."""

    def skip(self, count: int) -> int:
        """As read, without the bytes; gives how many there were."""


class Extent:
    """A run of bytes in an open file. Reads by pread(2), so extents of one file do not disturb each other."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size
        self.position = 0

    def read(self, count: int) -> bytes:
        """Raises Error E_READ when the file fails or has become shorter."""
        count = min(count, self.size - self.position)
        parts = []
        while count > 0:
            try:
                part = os.pread(self.fd, count, self.offset + self.position)
            except OSError as error:
                raise Error("E_READ", f"cannot read the image: {error.strerror}") from error
            if not part:
                raise Error("E_READ", "the image became shorter while it was read")
            parts.append(part)
            count -= len(part)
            self.position += len(part)
        return b"".join(parts)

    def skip(self, count: int) -> int:
        count = min(count, self.size - self.position)
        self.position += count
        return count


class Digesting:
    """Passes bytes on and digests them. Raises Error E_IMAGE beyond `limit` bytes."""

    def __init__(self, inner: Stream | Gzip | Zstd, algorithm: str, limit: int, what: str) -> None:
        self.inner = inner
        self.algorithm = algorithm
        self.hash = hashlib.new(algorithm)
        self.limit = limit
        self.what = what
        self.count = 0

    def read(self, count: int) -> bytes:
        data = self.inner.read(count)
        self.count += len(data)
        if self.count > self.limit:
            raise Error("E_IMAGE", f"{self.what} is larger than {self.limit} bytes")
        self.hash.update(data)
        return data

    def skip(self, count: int) -> int:
        left = count
        while left > 0 and (data := self.read(min(left, CHUNK))):
            left -= len(data)
        return count - left

    def drain(self) -> None:
        """Reads to the end."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of what has passed."""
        return f"{self.algorithm}:{self.hash.hexdigest()}"

    def expect(self, digest: str) -> None:
        """Raises Error E_IMAGE when the bytes that passed have another digest."""
        if self.digest != digest:
            raise Error("E_IMAGE", f"{self.what} does not have its digest: want {digest}, got {self.digest}")


class Gzip:
    """Inflates gzip, member after member (estargz has one for each file). Never holds more than it was asked for."""

    def __init__(self, inner: Stream, what: str) -> None:
        self.inner = inner
        self.what = what
        self.pending = b""
        self.member: zlib._Decompress | None = None

    def read(self, count: int) -> bytes:
        """Raises Error E_IMAGE for bytes that are not gzip, or that end inside a member."""
        parts = []
        while count > 0:
            if not self.pending:
                self.pending = self.inner.read(CHUNK // 4)
            if not self.pending and (self.member is None or self.member.eof):
                break
            if self.member is None or self.member.eof:
                self.member = zlib.decompressobj(wbits=31)
            ended = not self.pending
            try:
                part = self.member.decompress(self.pending, count)
            except zlib.error as error:
                raise Error("E_IMAGE", f"{self.what} is not gzip: {error}") from error
            self.pending = self.member.unused_data if self.member.eof else self.member.unconsumed_tail
            if ended and not part and not self.member.eof:
                raise Error("E_IMAGE", f"{self.what} ends inside a gzip member")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


class Zstd:
    """Inflates zstd frames, skippable frames among them (zstd:chunked ends with one)."""

    def __init__(self, inner: Stream, what: str) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self.reader = decompressor.stream_reader(cast(BinaryIO, inner), read_size=CHUNK, read_across_frames=True)
        self.what = what

    def read(self, count: int) -> bytes:
        """Raises Error E_IMAGE for bytes that are not zstd. A cut frame reads as its beginning: the diff_id tells."""
        parts = []
        while count > 0:
            try:
                part = self.reader.read(count)
            except zstandard.ZstdError as error:
                raise Error("E_IMAGE", f"{self.what} is not zstd: {error}") from error
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def compression_of(head: bytes) -> str:
    """`gzip`, `zstd`, `xz`, `bzip2` or `none`, from the first bytes."""
    for mark, name in ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2")):
        if head.startswith(mark):
            return name
    if len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame (RFC 8878, 3.1.2)
    return "none"


def decompressed(stream: Stream, compression: str, what: str) -> Stream | Gzip | Zstd:
    """The bytes behind `compression`.

    Raises Error E_IMAGE for a compression that no layer may have.
    """
    if compression == "none":
        return stream
    if compression == "gzip":
        return Gzip(stream, what)
    if compression == "zstd":
        return Zstd(stream, what)
    raise Error("E_IMAGE", f"{what} is compressed with {compression}: layers are plain, gzip or zstd")
