"""Attempts of who holds a control socket (docs/wire.md): garbage, claims, floods; and what a guest is started with."""

from __future__ import annotations

import array
import json
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.attacks.table import Attack
from tests.csrc.engine.served import Served
from tests.testbed import eventually

PROCESSES: Final = 16  # of the manifest
HELLO: Final = {"type": "hello", "version": 1, "cid": "attacked", "role": "control"}
SPAWN: Final = {"type": "spawn", "id": 1, "argv": ["/bin/attacker"], "env": {}, "cwd": "/", "tty": False}


class Raw:
    """A connection that says what it likes."""

    def __init__(self, served: Served, hello: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(served.run_dir / "attacked.sock"))
        self.lines = self.sock.makefile("rb")
        if hello:
            self.say(HELLO)
            assert b'"ok"' in self.lines.readline()

    def say(self, message: dict[str, Any] | bytes, fds: Sequence[int] = ()) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([data], rights)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def answer(self) -> str:
        """ "dropped", or what the next line says."""
        try:
            line = self.lines.readline()
        except ConnectionResetError:
            line = b""
        if not line:
            return "dropped"
        found = json.loads(line)
        return str(found.get("error") or found.get("reason") or found.get("status") or "ok")

    def close(self) -> None:
        self.lines.close()
        self.sock.close()


def _says(*messages: dict[str, Any] | bytes, fds: Sequence[int] = (), hello: bool = True) -> Callable[[Served], str]:
    def attempt(served: Served) -> str:
        raw = Raw(served, hello)
        try:
            for message in messages:
                raw.say(message, fds)
            return raw.answer()
        except (BrokenPipeError, ConnectionResetError):
            return "dropped"
        finally:
            raw.close()

    return attempt


def _spawns(**fields: Any) -> Callable[[Served], str]:
    return _says({**SPAWN, **fields}, fds=(0, 1, 2))


def _signals(pid: int) -> Callable[[Served], str]:
    """A signal has no answer: what follows on the same connection has."""
    return _says({"type": "signal", "pid": pid, "sig": 9}, {"type": "wait", "id": 1, "pid": 99999})


def _runs(*words: str | bytes, **options: Any) -> Callable[[Served], str]:
    def attempt(served: Served) -> str:
        return _ended(served.vkexec("--", *words, cid="attacked", **options))

    return attempt


def _ended(result: subprocess.CompletedProcess[bytes]) -> str:
    text = result.stdout.decode(errors="replace").strip()
    return text if text and result.returncode == 0 else f"exit {result.returncode}"


def _with_host_folder(served: Served) -> str:
    """The host's directory, opened, as the guest's fd 0."""
    fd = os.open(served.run_dir.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _ended(served.vkexec("--", "attacker", "path_open 0 secret", cid="attacked", stdin=fd))
    finally:
        os.close(fd)


def _with_more_fds(served: Served) -> str:
    fds = [os.open(served.run_dir.parent / "secret", os.O_RDONLY) for _ in range(8)]
    try:
        return _ended(served.vkexec("--", "attacker", "fds 4 70000", cid="attacked", pass_fds=fds))
    finally:
        for fd in fds:
            os.close(fd)


def _many(served: Served) -> str:
    """More guests than the manifest allows, at once."""
    raw, reader_writer = Raw(served), os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        for number in range(1, PROCESSES + 2):
            raw.say({**SPAWN, "id": number, "argv": ["/bin/guest", "cat"]}, (reader_writer[0], null, null))
        answers = [raw.answer() for _ in range(PROCESSES + 1)]
        return f"{answers.count('ok')} started, then {answers[-1]}"
    finally:
        raw.close()
        for fd in (*reader_writer, null):
            os.close(fd)
        eventually(lambda: not served.host_guests())  # hung up, or the next start finds no room


def _connections(served: Served) -> str:
    """So many that say nothing."""
    raws = []
    try:
        for _ in range(100):
            raws.append(Raw(served, hello=False))
        return "ok"
    finally:
        for raw in raws:
            raw.close()


def _other_user(served: Served) -> str:
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(served.run_dir / 'attacked.sock')!r})"
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    command = ["/usr/bin/env", "python3", "-c", code] if not user else ["python3", "-c", code]
    if not user:
        return "connection refused to others"  # there is nobody else to be
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **user)  # type: ignore[call-overload]
    return "connection refused to others" if "PermissionError" in result.stderr else result.stderr or "connected"


_UNKNOWN = "blake3:" + "0" * 64
# class -> attempt -> how, what comes of it; all through a vkernel
_TABLE: Final[dict[str, dict[str, tuple[Callable[[Served], str], str]]]] = {
    "control sockets": {
        "a line that is no JSON": (_says(b"owned\n"), "dropped"),
        "a line of more than 1 MiB": (_says(b"[" + b" " * (1 << 20) + b"\n"), "dropped"),
        "100 nested arrays": (_says(b"[" * 100 + b"\n"), "dropped"),
        "bytes that are no UTF-8": (_says(b'{"type":"\xff"}\n'), "dropped"),
        "two equal keys": (_says(b'{"type":"ps","type":"stop","id":1}\n'), "dropped"),
        "a second hello": (_says(HELLO), "dropped"),
        "an unknown type": (_says({"type": "mount", "id": 1}), "dropped"),
        "an id that does not increase": (_says({"type": "ps", "id": 0}), "dropped"),
        "no hello": (_says({"type": "ps", "id": 1}, hello=False), "E_RPC_JSON"),
        "hello for another container": (_says({**HELLO, "cid": "neighbour"}, hello=False), "E_SOCK_ID"),
        "hello as a guest": (_says({**HELLO, "role": "guest"}, hello=False), "E_RPC_JSON"),
        "ps with fds": (_says({"type": "ps", "id": 1}, {"type": "ps", "id": 2}, fds=(0, 1, 2)), "dropped"),
        "a syscall": (_says({"type": "syscall", "id": 1, "name": "openat", "args": [-100, "/x", 0, 0]}), "dropped"),
        "spawn without fds": (_says(SPAWN), "dropped"),
        "spawn with two fds": (_says(SPAWN, fds=(0, 1)), "dropped"),
        "spawn with four fds": (_says(SPAWN, fds=(0, 1, 2, 2)), "dropped"),
        "spawn of an unknown hash": (_spawns(hash=_UNKNOWN), "unknown hash"),
        "spawn of a program by another hash": (_spawns(path="/bin/guest", hash=_UNKNOWN), "path names another file"),
        "spawn of a file that is no program": (_spawns(path="/etc/motd"), "not found"),
        "spawn of a host path": (_spawns(path="/../../../../bin/sh"), "not found"),
        "spawn through a link outwards": (_spawns(path="/updir/secret"), "not found"),
        "spawn of a program that a guest has written to": (_spawns(path="/bin/spare"), "unknown hash"),
        "spawn of an injected file": (_spawns(path="/injected"), "unknown hash"),
        "spawn of /proc/self/exe": (_spawns(path="/proc/self/exe"), "not found"),
        "spawn with a NUL in argv": (_spawns(argv=["/bin/attacker", "a\0b"]), "dropped"),
        "spawn with = in a name": (_spawns(env={"A=B": "c"}), "dropped"),
        "spawn without a command": (_spawns(argv=[]), "not found"),
        "100 connections that say nothing": (_connections, "ok"),
        "connect as another user": (_other_user, "connection refused to others"),
    },
    "signals to others": {
        "control: signal to pid 1": (_signals(1), "no such process"),
        "control: signal to pid -1": (_signals(-1), "no such process"),
        "control: signal to pid 0": (_signals(0), "no such process"),
        "control: signal to a pid of the host": (lambda here: _signals(here.process.pid)(here), "no such process"),
        "control: signal 65": (_says({"type": "signal", "pid": 1, "sig": 65}), "dropped"),
    },
    "fork bomb": {"17 guests at once": (_many, "16 started, then E_SANDBOX: the manifest allows 16 processes")},
    "arguments and inherited fds": {
        "8 open files of the host, inherited by vkexec": (_with_more_fds, "0 found"),
        "a directory of the host as fd 0": (_with_host_folder, "wasi 76"),
        "an argument of 100 KiB": (_runs("attacker", "x" * 100_000), "exit 0"),
        "arguments of 150 KB": (_runs("attacker", *["x" * 10_000] * 15), "exit 126"),
        "40,000 arguments": (_runs("attacker", *["x"] * 40_000), "exit 0"),
        "argv[0] of another program": (_spawns(path="/bin/guest", argv=["/bin/sh", "exit", "0"]), "ok"),
    },
}  # fmt: skip
ATTEMPTS: Final = {(kind, name): how for kind, table in _TABLE.items() for name, (how, _) in table.items()}
ATTACKS: Final = tuple(
    Attack(kind, name, "client", expected) for kind, table in _TABLE.items() for name, (_, expected) in table.items()
)


def prepare(root: Path) -> None:
    """A file that no signature knows."""
    (root / "injected").write_bytes(b"\0asm\1\0\0\0")
    (root / "injected").chmod(0o755)


def make(attack: Attack, served: Served) -> str:
    """What the vkernel, or the guest, said."""
    return ATTEMPTS[attack.kind, attack.attempt](served)
