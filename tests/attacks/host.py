"""What of the host an attempt must leave as it is, and the three ways to run a guest there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.csrc.engine.client import Container, Zygote
from tests.csrc.engine.served import Served
from tests.testbed import alive


@dataclass
class Host:
    """Files beside the root, a process, two listeners, the mounts: made once, looked at after every attempt."""

    outside: Path  # the directory above the root
    root: Path
    victim: subprocess.Popen[bytes] = field(init=False)
    tcp: socket.socket = field(init=False)
    abstract: socket.socket = field(init=False)

    def __enter__(self) -> Host:
        (self.outside / "secret").write_text("the host's secret\n")
        (self.outside / "secret").chmod(0o666)
        self.victim = subprocess.Popen(["/bin/sleep", "600"])
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0attacks-{os.getpid()}")
        self.abstract.listen()
        for listener in (self.tcp, self.abstract):
            listener.setblocking(False)
        self.port = self.tcp.getsockname()[1]
        (self.outside / "port").write_text(str(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        self.victim.kill()
        self.victim.wait()
        self.tcp.close()
        self.abstract.close()

    def look(self) -> dict[str, object]:
        """All of it, to be compared."""
        return {
            "files": [_file(path) for folder in (self.outside, self.root) for path in sorted(_tree(folder))],
            "victim": self.victim.poll() is None and alive(self.victim.pid),
            "callers": [_called(listener) for listener in (self.tcp, self.abstract)],
            "mounts": Path("/proc/self/mountinfo").read_text(),
            "core pattern": Path("/proc/sys/kernel/core_pattern").read_text(),
            # sem.mp-: of Python's multiprocessing, in tests that run at the same time
            "shared memory": sorted(name for name in os.listdir("/dev/shm") if not name.startswith("sem.mp-")),
        }


def _tree(folder: Path) -> list[Path]:
    """A directory's entries; those of the root also below."""
    return list(folder.rglob("*")) if folder.name == "rootfs" else list(folder.iterdir())


def _file(path: Path) -> tuple[object, ...]:
    st = path.lstat()
    return str(path), st.st_mode, st.st_uid, st.st_nlink, 0 if path.name in {"audit", "log", "run"} else st.st_size


def _called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


# ---- ways


class Way(Protocol):
    """A container that is attacked, and one beside it."""

    def run(self, *argv: str) -> tuple[int, str]:
        """The program /bin/argv[0]: its exit status, or -signal, and its output."""

    def host_guests(self) -> list[int]:
        """Guests of the attacked container, as the host numbers them."""

    def neighbour(self) -> str:
        """What a guest of the other container reads in its own /etc/motd."""


@dataclass
class Direct:
    """An engine without a vkernel."""

    zygote: Zygote
    attacked: Container
    other: Container
    entries: dict[str, int]

    def run(self, *argv: str) -> tuple[int, str]:
        result = self.attacked.run(*argv, entry=self.entries[argv[0]])
        return result.status, result.out.decode(errors="replace")

    def start(self, argv: Sequence[str], fds: tuple[int, int, int]) -> None:
        self.attacked.spawn(*argv, entry=self.entries[argv[0]], fds=fds)

    def host_guests(self) -> list[int]:
        return self.attacked.host_pids()

    def neighbour(self) -> str:
        return self.other.run("guest", "cat", "/etc/motd", entry=self.entries["guest"]).out.decode()


@dataclass
class ThroughVkernel:
    """A vkernel that serves `attacked` and `neighbour`."""

    served: Served

    def run(self, *argv: str) -> tuple[int, str]:
        result = self.served.vkexec("--", *argv, cid="attacked")
        status = result.returncode
        return -(status - 128) if status > 128 else status, result.stdout.decode(errors="replace")

    def start(self, argv: Sequence[str], fds: tuple[int, int, int]) -> None:
        command = self.served.command("--", *argv, cid="attacked")
        self._client = subprocess.Popen(command, stdin=fds[0], stdout=fds[1], stderr=fds[2])

    def host_guests(self) -> list[int]:
        return self.served.host_guests()

    def neighbour(self) -> str:
        return self.served.vkexec("--", "guest", "cat", "/etc/motd", cid="neighbour").stdout.decode()


def entries(manifest: Path) -> dict[str, int]:
    """Entry ids by program."""
    document = json.loads(manifest.read_text())
    return {row["paths"][0].rpartition("/")[2]: row["entry"] for row in document["entries"].values()}
