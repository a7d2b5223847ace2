"""Files that change while the controller looks at them: what is accepted is what was read, and that is signed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vkernel_proto.controlled import FILES, HASH, World, digest, entries, overlaid, plain, signed
from vkernel_proto import hashes
from vkernel_proto.controller import Controller, Request, Verdict

ROUNDS = 2000
WC, CAT = FILES["/usr/bin/wc"], FILES["/usr/bin/cat"]
LARGE = WC.ljust(5 * hashes._CHUNK // 2, b"\0")  # read in three pieces


@pytest.fixture(params=[plain, overlaid])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with request.param(tmp_path) as made:
        rows = entries() | {digest(LARGE): {"entry": 9, "export": "large", "kind": "wasi", "paths": ["/large"]}}
        made.controller = Controller(signed(rows), lambda: made.root_fd, made.lower_fd)
        made.put("/large", LARGE)
        yield made


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen between the first and the second piece of the next file that is read."""

    def arrange(happens: Callable[[], object]) -> None:
        pread, calls = os.pread, [0]

        def reading(fd: int, count: int, at: int) -> bytes:
            part = pread(fd, count, at)
            calls[0] += 1
            if calls[0] == 1:
                happens()
            return part

        monkeypatch.setattr(os, "pread", reading)

    return arrange


def write_byte(file: Path) -> None:
    with file.open("r+b") as out:
        out.seek(0)
        out.write(b"x")


@pytest.mark.parametrize(
    "change",
    [
        write_byte,
        lambda file: os.truncate(file, 10),
        lambda file: os.truncate(file, len(LARGE) - 1),
        lambda file: os.truncate(file, len(LARGE) + 1),
        lambda file: os.truncate(file, 1 << 40),
        lambda file: os.utime(file),
        lambda file: os.chmod(file, 0o700),
    ],
    ids=["written", "cut to 10", "cut by 1", "longer by 1", "a giant", "touched", "chmod"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    world: World, meanwhile: Callable[[Callable[[], object]], None], change: Callable[[Path], object]
) -> None:
    assert world.decide("/large").entry == 9
    meanwhile(lambda: change(world.guest / "large"))
    assert world.denied("/large").reason == "changed while read"


def test_a_file_that_is_renamed_over_while_it_is_read_is_judged_as_the_one_that_was_opened(
    world: World, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    world.put("/other", b"unsigned")
    meanwhile(lambda: os.rename(world.guest / "other", world.guest / "large"))
    # The old file's ctime changes as it loses its name, so the reader may also see that as a change.
    seen = world.outcome(Request("/large", ["large"], {}, "/"))
    assert seen.hash == digest(LARGE) if isinstance(seen, Verdict) else seen.reason == "changed while read"
    assert world.denied("/large").hash == digest(b"unsigned")


def test_one_descriptor_serves_from_the_look_to_the_hash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name moves on between O_PATH and the reading: the file that was looked at is read."""
    world.put("/other", b"unsigned")
    admit = hashes._admit

    def late(place: int, status: os.stat_result, path: str) -> None:
        admit(place, status, path)
        if os.path.exists(world.guest / "other"):
            os.rename(world.guest / "usr/bin/wc", world.guest / "kept")
            os.rename(world.guest / "other", world.guest / "usr/bin/wc")

    monkeypatch.setattr(hashes, "_admit", late)
    assert world.decide("/usr/bin/wc").hash == HASH["wc"]
    assert world.denied("/usr/bin/wc").hash == digest(b"unsigned")


SWAPPER = """
import itertools, os, sys, time
folder, kind = sys.argv[1:]
os.chdir(folder)
print("ready", flush=True)
for turn in itertools.count():
    if kind == "rename":
        os.link(("signed", "unsigned", "second")[turn % 3], "new"), os.rename("new", "target")
    elif kind == "symlink":
        os.symlink(("signed", "unsigned", "second")[turn % 3], "new"), os.rename("new", "target")
    else:
        fd = os.open("target", os.O_WRONLY)
        os.pwrite(fd, bytes([turn % 2 * 255]), 40)
        os.close(fd)
    if turn % 7 == 0:  # now and then a look shall find the file at rest
        time.sleep(0.0005)
"""


@pytest.mark.parametrize("kind", ["rename", "symlink", "write"])
def test_a_swapping_process_never_gets_an_unsigned_file_accepted(world: World, kind: str) -> None:
    (world.guest / "race").mkdir()
    unsigned = bytes([*WC[:40], 255, *WC[41:]])
    zero = bytes([*WC[:40], 0, *WC[41:]])
    for name, data in (("signed", WC), ("second", CAT), ("unsigned", unsigned), ("target", zero)):
        world.put(f"/race/{name}", data)
    rows = entries() | {digest(zero): {"entry": 7, "export": "zero", "kind": "wasi", "paths": ["/zero"]}}
    world.controller = Controller(signed(rows), lambda: world.root_fd, world.lower_fd)
    expected = {digest(WC): 1, digest(CAT): 2, digest(zero): 7}
    command = [sys.executable, "-c", SWAPPER, str(world.guest / "race"), kind]
    accepted, refused = set(), set()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        try:
            assert swapper.stdout
            assert swapper.stdout.readline() == b"ready\n"
            for looks in range(10 * ROUNDS):
                if looks >= ROUNDS and accepted and refused:
                    break
                seen = world.outcome(Request("/race/target", ["target"], {}, "/"))
                if isinstance(seen, Verdict):
                    assert expected[seen.hash] == seen.entry
                    accepted.add(seen.hash)
                else:
                    assert seen.reason in ("unknown hash", "changed while read", "no resources")
                    assert seen.hash not in expected
                    refused.add(seen.reason)
        finally:
            swapper.kill()
    assert accepted, "the race never let a signed file be seen: it shows nothing"
    assert refused, "the race never let an unsigned file be seen: it shows nothing"
