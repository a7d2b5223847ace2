"""In: what an execve names, in a container's root. Out: the entry of the signed manifest that runs, or Denied.

decide   1 the request's strings; PATH for a name without a slash
         2 the file: openat2 in the root, O_PATH, then read through that fd (vkernel_proto/hashes.py)
         3 its BLAKE3 is what the caller claimed, where one is claimed
         4 its BLAKE3 has an entry: hash -> entry is the only way to code, a path decides nothing
         5 a script: its first line's interpreter, found and hashed in the same way, is the signed one, to depth 4
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format import shebang
from recompiler.format.manifest import Entry, Manifest
from vkernel_proto.denied import REASONS, Denied, of_errno
from vkernel_proto.hashes import Content, Hashes
from vkernel_proto.paths import RESOLVE_IN_ROOT, openat2

__all__ = ["REASONS", "Controller", "Denied", "Request", "Verdict"]

DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
STRING_MAX: Final = 1 << 17  # one argument or variable (MAX_ARG_STRLEN, execve(2)); here characters
STRINGS_MAX: Final = 1 << 21  # bytes of all of them, each with its NUL and its pointer
POINTER: Final = 8
SEARCH_MAX: Final = 256  # directories of PATH that are looked into
READ_MAX: Final = 8  # files that are read in search of one interpreter
RUNNABLE: Final = frozenset({"elf", "wasi", "polyfill"})
# execvp(3) looks into PATH's next directory after these, and tells in the end of the second sort.
_ELSEWHERE: Final = (-errno.ENOENT, -errno.ENOTDIR)
_NOT_HERE: Final = frozenset({"not permitted", "not executable", "not a regular file"})


@dataclass(frozen=True, slots=True)
class Request:
    """An execve. path without a slash is searched in env's PATH; "" with a hash is by hash alone.

    hash: 64 hex digits that the caller claims the file to have.
    """

    path: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What runs: entry and export of the megabinary. hash: the executed file's; chain: hashes from it to the program;
    path: the executed file's, resolved; argv: the program's (of a script: interpreter, argument, script, the rest).
    """

    entry: int
    export: str
    hash: str
    chain: tuple[str, ...]
    path: str
    argv: list[str]


@dataclass(frozen=True, slots=True)
class _File:
    named: str  # absolute, as it was found
    path: str  # resolved
    content: Content


class Controller:
    """Decides the execves of one container; safe from several threads.

    root gives an O_PATH fd of the root that the guests see, which stays the caller's. lower: O_PATH fd of the read-only
    layer, if guests' writes go to an overlay above it, else None: then nothing is remembered. Make it before the first
    guest runs.
    """

    def __init__(self, manifest: Manifest, root: Callable[[], int], lower: int | None) -> None:
        self._entries = manifest.entries
        self._root = root
        self._hashes = Hashes(lower)

    def impatient(self) -> Controller:
        """The same, with the same memory, but `decide` raises hashes.Large instead of reading a file for long."""
        other = copy.copy(self)
        other._hashes = self._hashes.impatient()
        return other

    def decide(self, request: Request) -> Verdict:
        """The verdict on an execve. Raises Denied, and nothing else for whatever a guest asks or does."""
        try:
            _check(request)
            if request.hash is not None and not request.path:
                return self._by_hash(request, request.hash)
            return self._by_path(request)
        except OSError as error:
            raise of_errno(error.errno, request.path) from error
        except MemoryError as error:
            raise Denied("no resources", request.path) from error

    def _by_hash(self, request: Request, hash: str) -> Verdict:
        entry = self._entries.get(hash)
        if entry is None:
            raise Denied("unknown hash", "", hash)
        if entry.kind not in RUNNABLE:
            reason = "script without a path" if entry.kind == "script" else "not a program"
            raise Denied(reason, "", hash)
        return Verdict(entry.entry, entry.export, hash, (hash,), "", request.argv)

    def _by_path(self, request: Request) -> Verdict:
        try:
            root = self._root()
        except OSError as error:
            raise Denied("no container", request.path) from error
        file = self._requested(root, request)
        hash = file.content.hash
        if request.hash not in (None, hash):
            raise Denied("path names another file", file.path, hash)
        signed = self._entry(file, "unknown hash")
        argv, script, chain, current, entry = request.argv, file.named, [hash], file, signed
        while entry.kind == "script":
            if len(chain) > shebang.DEPTH:
                raise Denied("interpreter nesting", file.path, hash, tuple(chain))
            found, current = self._interpreter(root, current, request.env, tuple(chain))
            if current.content.hash != entry.interpreter:
                reason = "another interpreter" if current.content.hash in self._entries else "unknown interpreter"
                raise Denied(reason, current.path, current.content.hash, tuple(chain))
            argv, script = [*found.words, script, *argv[1:]], found.path
            chain.append(current.content.hash)
            entry = self._entry(current, "unknown interpreter")
        if entry.kind not in RUNNABLE:
            raise Denied("not a program", current.path, current.content.hash, tuple(chain[:-1]))
        return Verdict(entry.entry, entry.export, hash, tuple(chain), file.path, argv)

    def _entry(self, file: _File, reason: str) -> Entry:
        entry = self._entries.get(file.content.hash)
        if entry is None:
            raise Denied(reason, file.path, file.content.hash)
        return entry

    def _interpreter(
        self, root: int, script: _File, env: dict[str, str], chain: tuple[str, ...]
    ) -> tuple[shebang.Interpreter, _File]:
        """What the script's first line names at this moment."""
        line = shebang.parse(script.content.head)
        if line is None:
            raise Denied("unknown interpreter", script.path, script.content.hash, chain)
        seen: dict[str, _File] = {}

        def known(path: str) -> bool:
            if len(seen) == READ_MAX:
                raise Denied("unknown interpreter", path, None, chain)
            try:
                seen[path] = self._file(root, path)
            except Denied as denied:
                if denied.reason == "no resources":
                    raise
                return False
            return seen[path].content.hash in self._entries

        try:
            found = shebang.find(line, known, _directories(env))
        except Error as error:
            # What is there and unknown says more than what is not there.
            for file in seen.values():
                raise Denied("unknown interpreter", file.path, file.content.hash, chain) from error
            raise Denied("unknown interpreter", line.interpreter, None, chain) from error
        return found, seen[found.path]

    def _requested(self, root: int, request: Request) -> _File:
        """The file that the request names. A file that is there and may be executed ends the search, known or not."""
        if "/" in request.path:
            return self._file(root, _absolute(request.cwd, request.path))
        refused = Denied("not found", request.path)
        for directory in _directories(request.env) if request.path else ():
            path = _absolute(request.cwd, f"{directory or '.'}/{request.path}")
            place = _place(root, path)
            if place in _ELSEWHERE:
                continue
            try:
                return self._held(root, path, place)
            except Denied as denied:
                if denied.reason not in _NOT_HERE:
                    raise
                refused = denied
        raise refused

    def _file(self, root: int, path: str) -> _File:
        """The file that an absolute path names in the root, and its content. Raises Denied, OSError."""
        return self._held(root, path, _place(root, path))

    def _held(self, root: int, path: str, place: int) -> _File:
        """The same for a path that led to the O_PATH fd place, or to -errno. Takes the fd over."""
        if place < 0:
            raise of_errno(-place, path)
        try:
            resolved = _resolved(root, place) or path
            return _File(path, resolved, self._hashes.content(place, resolved))
        finally:
            os.close(place)


def _place(root: int, path: str) -> int:
    return openat2(root, os.fsencode(path), os.O_PATH, 0, RESOLVE_IN_ROOT)


def _resolved(root: int, place: int) -> str | None:
    """The path from the root of what an fd names; for the log, for lower, and no ground of a verdict."""
    top = os.readlink(f"/proc/self/fd/{root}").rstrip("/")
    name = os.readlink(f"/proc/self/fd/{place}")
    return name[len(top) :] if name.startswith(top + "/") else None


def _absolute(cwd: str, path: str) -> str:
    return path if path.startswith("/") else f"{cwd.rstrip('/')}/{path}"


def _directories(env: dict[str, str]) -> list[str]:
    return env.get("PATH", DEFAULT_PATH).split(":")[:SEARCH_MAX]


def _check(request: Request) -> None:
    """Whether the strings are such as execve could be given. Raises Denied."""
    strings = [*request.argv, *request.env, *request.env.values(), request.path, request.cwd]
    text = "\0".join(strings)
    try:
        size = len(os.fsencode(text))
    except UnicodeEncodeError:
        raise Denied("malformed", request.path) from None
    if text.count("\0") >= len(strings) or not request.cwd.startswith("/"):
        raise Denied("malformed", request.path)
    longest = max(map(len, strings)) if size >= STRING_MAX else 0
    if longest >= STRING_MAX or size + POINTER * len(strings) > STRINGS_MAX:
        raise Denied("arguments too long", request.path)
