"""kill -9 of guest, container, zygote, vkernel at random moments, under load: nothing told is lost, nothing is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.attacks.clients import Load, Told, missing
from tests.bundles import TestBundle
from tests.csrc.engine.served import PATIENCE, children, start, until_ready
from tests.testbed import FIGURES, eventually

KILLS = 1000 if FIGURES else 15
CLIENTS = 4
# How often whom: a vkernel takes half a second to be back.
VICTIMS = {"guest": 4, "container": 3, "zygote": 2, "vkernel": 1} if FIGURES else dict.fromkeys(
    ("guest", "container", "zygote", "vkernel"), 1
)  # fmt: skip
MARK = "RECOMPILER_TEST_MARK"


def marked(mark: str) -> list[int]:
    """Every process that has the mark in its environment: a vkernel's, and whatever came of it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(int(pid))
    return found


def groups(cids: list[str]) -> list[str]:
    """The cgroups of these containers; empty ones, too."""
    return [
        str(path)
        for path in Path("/sys/fs/cgroup").rglob("recompiler.container.*")
        if any(cid in path.name for cid in cids)
    ]


class Vkernel:
    """One after the other, on the same run directory and log."""

    def __init__(self, bundle: TestBundle, folder: Path, cids: list[str], mark: str) -> None:
        self._bundle, self._folder, self._cids, self._mark = bundle, folder, cids, mark
        self.process = self._start()
        until_ready(self.process, folder, cids)

    def _start(self) -> subprocess.Popen[bytes]:
        before = os.environ.get(MARK)
        os.environ[MARK] = self._mark
        try:
            return start(self._bundle, self._folder, self._cids)
        finally:
            os.environ.pop(MARK)
            if before is not None:
                os.environ[MARK] = before

    def again(self) -> None:
        """After its death: nothing of it runs; then the next one serves."""
        self.process.wait(PATIENCE)
        eventually(lambda: marked(self._mark) == [])
        inodes = [(self._folder / "run" / f"{cid}.sock").stat().st_ino for cid in self._cids]
        self.process = self._start()
        end = time.monotonic() + PATIENCE
        while any(self._inode(cid) in (0, old) for cid, old in zip(self._cids, inodes, strict=True)):
            assert self.process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.01)

    def _inode(self, cid: str) -> int:
        try:
            return (self._folder / "run" / f"{cid}.sock").stat().st_ino
        except OSError:
            return 0

    def victims(self, sort: str) -> list[int]:
        """The processes of one sort, now."""
        level = [self.process.pid]
        for name in ("vkernel", "zygote", "container", "guest"):
            if name == sort:
                return level
            level = [child for pid in level for child in children(pid)]
        raise AssertionError(sort)


def kill_one(vkernel: Vkernel, sort: str, dice: random.Random) -> bool:
    """Whether there was one."""
    found = vkernel.victims(sort)
    if not found:
        return False
    with suppress(ProcessLookupError):
        os.kill(dice.choice(found), signal.SIGKILL)
    if sort == "vkernel":
        vkernel.again()
    return True


@pytest.mark.figures
def test_what_was_told_is_in_the_log_and_nothing_is_left(bundle: TestBundle, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    cids = [f"k{seed:x}a", f"k{seed:x}b"]
    mounts = Path("/proc/self/mountinfo").read_text()
    vkernel = Vkernel(bundle, tmp_path, cids, str(seed))
    load = [Load(tmp_path / "run", cids[number % 2], seed + number) for number in range(CLIENTS)]
    kills: Counter[str] = Counter()
    try:
        for client in load:
            client.start()
        while kills.total() < KILLS:
            time.sleep(dice.random() * 0.05)
            (sort,) = dice.choices(list(VICTIMS), list(VICTIMS.values()))
            kills[sort] += kill_one(vkernel, sort, dice)
        before = sum(len(client.told) for client in load)
        eventually(lambda: sum(len(client.told) for client in load) > before)
    finally:
        for client in load:
            client.end()
        vkernel.process.send_signal(signal.SIGTERM)
        vkernel.process.wait(PATIENCE)
    told = [entry for client in load for entry in client.told]
    print(f"{dict(kills)} kills; told {dict(Counter(entry.kind for entry in told))}")
    assert [client.failed for client in load] == [None] * CLIENTS
    assert {entry.kind for entry in told} == {"spawn", "exit", "deny"}
    verified = subprocess.run(
        [sys.executable, "-m", "vkernel_proto", "audit", "verify", tmp_path / "audit"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert missing(told, tmp_path / "audit") == []
    eventually(lambda: marked(str(seed)) == [])
    eventually(lambda: groups(cids) == [])
    assert [path.name for path in (tmp_path / "run").iterdir() if not path.name.endswith(".lock")] in ([], ["empty"])
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_lost_record_would_show(tmp_path: Path) -> None:
    log = tmp_path / "log"
    told = [Told("a", "spawn", "n", 2), Told("a", "exit", "n", 2, -9), Told("a", "deny", "/x")]
    records = [
        b'{"event":"spawn","cid":"a","argv0":"n","pid":2}\n',
        b'{"event":"exit","cid":"a","pid":2,"signal":9}\n',
        b'{"event":"deny","cid":"a","argv0":"/x"}\n',
    ]
    log.write_bytes(b"".join(records))
    assert missing(told, log) == []
    for lost in records:
        log.write_bytes(b"".join(record for record in records if record != lost))
        assert missing(told, log) != []
    log.write_bytes(b"".join(records).replace(b"9", b"6"))
    assert missing(told, log) == [told[1]]
