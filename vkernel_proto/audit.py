"""In: what happened. Out: JSON lines, each holding the BLAKE3 of the line before, so that a changed past shows.

    {"seq":2,"time":"2026-11-21T04:12:32.123456Z","prev":"<hash of line 1>","event":"hello","pid":1,...}

A record appended with sync=True is on disk when append returns: only then may the fact be acknowledged to a peer.
The chain shows a change in the middle; that the end was cut off shows only against a hash kept elsewhere (`head`).
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from blake3 import blake3

from recompiler.errors import Error
from recompiler.format import strictjson

GENESIS: Final = "0" * 64  # `prev` of the first record
RECORD_MAX: Final = 1 << 16  # bytes of one line with its LF
TEXT_MAX: Final = 2048  # characters of one text field: what a peer sends cannot make a record outgrow RECORD_MAX
DEPTH_MAX: Final = 8
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def _digest(line: bytes) -> str:
    return blake3(line).hexdigest()


def _clip(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) <= TEXT_MAX and value.isascii():
        return value
    if isinstance(value, bytes):
        text = value[: TEXT_MAX + 1].decode("utf-8", "backslashreplace")
    else:
        text = value if isinstance(value, str) else repr(value)
    # An unpaired surrogate (a file name that is not UTF-8) would make a line that is not strict JSON.
    text = text[: TEXT_MAX + 1].encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "..."


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_date(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Audit:
    """One audit log, open for writing by this process alone; safe for use from several threads.

    Raises Error (E_AUDIT) when the file cannot be used, is written by another process, or its last line is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._failed = False
        self._seq = self._synced = self._end = 0
        self._prev = GENESIS
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise Error("E_AUDIT", f"audit log {path}: {error.strerror}") from error
        try:
            self._resume()
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, event: str, *, sync: bool = False, **fields: object) -> None:
        """Adds one record; with sync it is on disk on return.

        Raises Error (E_AUDIT): the record is not in the log, and what it speaks of must not be acknowledged.
        """
        with self._lock:
            if self._failed:
                raise Error("E_AUDIT", f"audit log {self.path}: an earlier write did not reach the disk")
            self._write(self._line(event, fields))
            position = self._seq
        if sync:
            self._sync(position)

    def sync(self) -> None:
        """Puts every record that was appended before onto the disk. Raises Error (E_AUDIT)."""
        self._sync(self._seq)

    @property
    def head(self) -> str:
        """BLAKE3 of the last line: keep it elsewhere and a shortened log shows."""
        return self._prev

    def close(self) -> None:
        """Releases the file; append must not be called after it."""
        os.close(self._fd)

    def _line(self, event: str, fields: dict[str, object]) -> bytes:
        head = {"seq": self._seq + 1, "time": _now(), "prev": self._prev, "event": event}
        record = head | {name: _clip(value) for name, value in fields.items()}
        line = _ENCODER.encode(record).encode("ascii")
        if len(line) >= RECORD_MAX:
            line = _ENCODER.encode(head | {"cut": len(line)}).encode("ascii")
        return line

    def _write(self, line: bytes) -> None:
        data = line + b"\n"
        try:
            written = os.pwrite(self._fd, data, self._end)
            if written != len(data):  # a full disk: half a line must not stay in front of the next one
                raise OSError(None, "no space left")
        except OSError as error:
            os.ftruncate(self._fd, self._end)
            raise Error("E_AUDIT", f"audit log {self.path}: {error.strerror}") from error
        self._end += len(data)
        self._prev = _digest(line)
        self._seq += 1

    def _sync(self, position: int) -> None:
        with self._sync_lock:  # those who wait here share the next fdatasync
            if self._synced >= position:
                return
            written = self._seq
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                # After a failed fsync the kernel may call lost pages clean (fsync(2), NOTES): never try again.
                self._failed = True
                raise Error("E_AUDIT", f"audit log {self.path}: {error.strerror}") from error
            self._synced = written

    def _resume(self) -> None:
        """Finds the end of the chain. A torn last line was never acknowledged: a record of it takes its place."""
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise Error("E_AUDIT", f"audit log {self.path} is not a regular file")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Error("E_AUDIT", f"audit log {self.path} is being written by another vkernel") from error
        size = os.fstat(self._fd).st_size
        start = max(0, size - 2 * RECORD_MAX)
        tail = os.pread(self._fd, size - start, start)
        whole, found, torn = tail.rpartition(b"\n")
        self._end = size - len(torn)
        if found:
            line = whole.rpartition(b"\n")[2]
            self._seq, self._prev = _record(line)[0], _digest(line)
        if len(torn) >= RECORD_MAX:
            raise Error("E_AUDIT", f"audit log {self.path}: its last {len(torn)} bytes are no record")
        if torn:
            self.append("torn", bytes=len(torn), blake3=_digest(torn), text=torn)
            os.ftruncate(self._fd, self._end)
            self._sync(self._seq)
        elif size == 0:
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.fsync(directory)  # or a crash could lose the new file with its synced records
            os.close(directory)


@dataclass(frozen=True)
class Chain:
    """What `verify` found: how many records, the hash of the last one, and bytes of a torn last line."""

    records: int
    head: str
    torn: int


def verify(path: Path, head: str | None = None) -> Chain:
    """Checks every link of a log; with `head`, also that it ends with that record.

    A last line without LF is reported in `torn`, not refused: the log may be in use, or its vkernel has been killed.
    Raises Error (E_OPEN, E_READ, E_AUDIT with the byte offset of the first wrong line).
    """
    count, previous, offset, torn = 0, GENESIS, 0, 0
    for line in _lines(path):
        if not line.endswith(b"\n"):
            torn = len(line)
            if torn >= RECORD_MAX:
                raise Error("E_AUDIT", f"record {count + 1} is longer than {RECORD_MAX} bytes", offset)
            break
        seq, prev = _record(line[:-1], offset)
        if seq != count + 1:
            raise Error("E_AUDIT", f"record {seq} stands where record {count + 1} should", offset)
        if prev != previous:
            raise Error("E_AUDIT", f"record {seq} does not follow from the line before it", offset)
        count, previous, offset = seq, _digest(line[:-1]), offset + len(line)
    if head is not None and head != previous:
        raise Error("E_AUDIT", f"the log ends with {previous}, not with {head}", offset)
    return Chain(count, previous, torn)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Error("E_OPEN", f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Error("E_OPEN", f"{path} is not a regular file")
    with open(fd, "rb") as file:
        while True:
            try:
                line = file.readline(RECORD_MAX)
            except OSError as error:
                raise Error("E_READ", f"{path}: {error.strerror}") from error
            if not line:
                return
            yield line


def _record(line: bytes, offset: int = 0) -> tuple[int, str]:
    """seq and prev of one line. Raises Error (E_AUDIT)."""
    try:
        record = strictjson.loads(line, max_depth=DEPTH_MAX, code="E_AUDIT")
    except Error as error:
        raise Error("E_AUDIT", f"not a record: {error.message}", offset + (error.offset or 0)) from error
    seq, prev = record.get("seq"), record.get("prev")
    if type(seq) is not int or not isinstance(prev, str) or not isinstance(record.get("event"), str):
        raise Error("E_AUDIT", "not a record: it lacks seq, prev or event", offset)
    return seq, prev
