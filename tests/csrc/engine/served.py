"""A vkernel that serves a bundle, as a process of its own, and vkexec as its client."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bundles import TestBundle
from vkernel_proto.engine.zygote import ENGINE

VKEXEC = ENGINE.with_name("vkexec")
PATIENCE = 20.0


def children(pid: int) -> list[int]:
    """The processes that a process has made with its first thread."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def guests(pid: int) -> list[int]:
    """The guests of a container, by its first process. Its spare is none yet."""
    return [child for child in children(pid) if _name(child) not in ("spare", "")]


def until_a_guest(container: int, pid: int) -> None:
    """Waits until the process with this pid in the container is no spare any more: it was told to be a guest."""
    end = time.monotonic() + PATIENCE
    while any(_name(child) == "spare" and _inside(child) == pid for child in children(container)):
        assert time.monotonic() < end, "a spare that does not take its job"
        time.sleep(0.001)


def _inside(pid: int) -> int:
    """A process's pid in its own namespace."""
    try:
        return int(re.findall(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)[0])
    except (OSError, IndexError):
        return 0


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@dataclass
class Served:
    """The process, and where it listens."""

    process: subprocess.Popen[bytes]
    run_dir: Path
    audit: Path
    cid: str

    def host_guests(self) -> list[int]:
        """The guests of all its containers, as the host numbers them: vkernel, zygote, container, guest."""
        containers = [pid for zygote in children(self.process.pid) for pid in children(zygote)]
        return [guest for pid in containers for guest in guests(pid)]

    def in_force(self) -> set[str]:
        """What its containers have, as the vkernel recorded it."""
        records = map(json.loads, self.audit.read_text().splitlines())
        return next(set(record["in_force"].split()) for record in records if record["event"] == "create")

    def command(self, *arguments: str | bytes | Path, cid: str = "") -> list[str | bytes | Path]:
        """A vkexec command line: options first, then what stands behind the container's id."""
        options = [*arguments]
        at = options.index("--") if "--" in options else 0
        return [VKEXEC, "--run-dir", self.run_dir, *options[:at], cid or self.cid, *options[at:]]

    def vkexec(
        self, *arguments: str | bytes | Path, cid: str = "", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs vkexec to its end."""
        options = {"capture_output": True, "timeout": 60, "check": False, **options}
        return subprocess.run(self.command(*arguments, cid=cid), **options)


def start(bundle: TestBundle, folder: Path, cids: Sequence[str], *options: str | Path) -> subprocess.Popen[bytes]:
    """A vkernel that is going to serve; its socket appears when it does."""
    command = [sys.executable, "-m", "vkernel_proto", "serve", "--bundle", bundle.folder, "--pubkeys"]
    where = [bundle.signer.pubkeys, "--run-dir", folder / "run", "--audit", folder / "audit"]
    ids = [word for cid in cids for word in ("--cid", cid)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*command, *where, *ids, *options], stdout=log, stderr=log)


def until_ready(process: subprocess.Popen[bytes], folder: Path, cids: Sequence[str]) -> None:
    """Waits for the sockets; fails with the vkernel's own words when it ends first."""
    end = time.monotonic() + PATIENCE
    while not all((folder / "run" / f"{cid}.sock").exists() for cid in cids):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < end, "no socket"
        time.sleep(0.01)


@contextmanager
def serving(bundle: TestBundle, folder: Path, *cids: str, options: Sequence[str | Path] = ()) -> Iterator[Served]:
    """A vkernel that serves the bundle's containers until the end of the block."""
    process = start(bundle, folder, cids, *options)
    try:
        until_ready(process, folder, cids)
        yield Served(process, folder / "run", folder / "audit", cids[0])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
