"""A verdict is remembered for a file of the read-only layer only, and no change of a file is overlooked for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vkernel_proto.controlled import FILES, HASH, World, digest, entries, overlaid, plain, signed
from vkernel_proto import hashes
from vkernel_proto.controller import Controller

WC = FILES["/usr/bin/wc"]
OTHER = bytes([*WC[:-1], WC[-1] ^ 1])  # of the same size


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths whose files are read, as it happens."""
    paths: list[str] = []
    read = hashes._read

    def counted(place: int, path: str) -> object:
        paths.append(path)
        return read(place, path)

    monkeypatch.setattr(hashes, "_read", counted)
    return paths


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with overlaid(tmp_path) as made:
        assert made.decide("/usr/bin/wc").hash == HASH["wc"]  # so it is remembered before each test's change
        yield made


def test_a_file_of_the_lower_layer_is_read_once(world: World, reads: list[str]) -> None:
    for path in ("/usr/bin/wc", "/bin/wc", "wc"):
        assert world.decide(path).hash == HASH["wc"]
    assert reads == []
    for _ in range(3):
        assert world.denied("/usr/bin/strange").hash == HASH["strange"]
    assert reads == ["/usr/bin/strange"]


def test_without_a_read_only_layer_every_file_is_read_every_time(tmp_path: Path, reads: list[str]) -> None:
    with plain(tmp_path) as world:
        for _ in range(3):
            assert world.decide("/usr/bin/wc").hash == HASH["wc"]
    assert len(reads) == 3


def test_a_lower_that_is_the_root_itself_is_not_believed(tmp_path: Path, reads: list[str]) -> None:
    with plain(tmp_path) as world:
        world.controller = Controller(signed(entries()), lambda: world.root_fd, world.root_fd)
        for _ in range(3):
            assert world.decide("/usr/bin/wc").hash == HASH["wc"]
    assert len(reads) == 3


def test_a_file_of_the_upper_layer_is_read_every_time(world: World, reads: list[str]) -> None:
    world.put("/usr/bin/copy", WC)
    os.utime(world.guest / "usr/bin/cat")  # copied up, the bytes are the same
    for _ in range(2):
        assert world.decide("/usr/bin/copy").entry == 1
        assert world.decide("/usr/bin/cat").entry == 2
    assert reads == ["/usr/bin/copy", "/usr/bin/cat"] * 2


def written_in_place(file: Path) -> None:
    with file.open("r+b") as out:
        out.write(OTHER)


def renamed_over(file: Path) -> None:
    (file.parent / "new").write_bytes(OTHER)
    (file.parent / "new").chmod(0o755)
    os.rename(file.parent / "new", file)


def made_again(file: Path) -> None:
    file.unlink()
    file.write_bytes(OTHER)
    file.chmod(0o755)


def linked_over(file: Path) -> None:
    (file.parent / "new").write_bytes(OTHER)
    (file.parent / "new").chmod(0o755)
    file.unlink()
    os.link(file.parent / "new", file)


def under_a_new_directory(file: Path) -> None:
    old = file.parent
    (old.parent / "fresh").mkdir()
    (old.parent / "fresh" / file.name).write_bytes(OTHER)
    (old.parent / "fresh" / file.name).chmod(0o755)
    for name in sorted(old.iterdir()):
        name.unlink()
    old.rmdir()
    os.rename(old.parent / "fresh", old)


@pytest.mark.parametrize("change", [written_in_place, renamed_over, made_again, linked_over, under_a_new_directory])
def test_a_change_with_all_settable_times_set_back_is_seen(world: World, change: Callable[[Path], None]) -> None:
    file = world.guest / "usr/bin/wc"
    before = file.stat()
    change(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    same = [after.st_size, after.st_mtime_ns, after.st_mode] == [before.st_size, before.st_mtime_ns, before.st_mode]
    assert same, "the change would be seen by more than ctime: the test proves less than it says"
    for _ in range(2):
        assert world.denied("/usr/bin/wc").hash == digest(OTHER)


def test_a_mode_that_changes_is_seen(world: World) -> None:
    (world.guest / "usr/bin/wc").chmod(0o644)
    assert world.denied("/usr/bin/wc").reason == "not executable"


def test_a_file_that_goes_away_is_seen(world: World) -> None:
    (world.guest / "usr/bin/wc").unlink()
    assert world.denied("/usr/bin/wc").reason == "not found"


def test_a_symlink_in_its_place_is_seen(world: World) -> None:
    (world.guest / "usr/bin/wc").unlink()
    (world.guest / "usr/bin/wc").symlink_to("cat")
    assert world.decide("/usr/bin/wc").export == "cat"


def test_a_lower_file_that_its_owner_changes_is_seen(world: World) -> None:
    """Not a guest: whoever owns the bundle on the host. The same inode, size and mtime."""
    file = world.lower / "usr/bin/wc"
    before = file.stat()
    written_in_place(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_ino == before.st_ino
    assert world.denied("/usr/bin/wc").hash == digest(OTHER)


def test_a_lower_file_that_is_newer_than_the_controller_is_not_remembered(world: World, reads: list[str]) -> None:
    (world.lower / "usr/bin/cat").chmod(0o755)  # its ctime is now: a guest's file could have the same
    for _ in range(2):
        assert world.decide("/usr/bin/cat").entry == 2
    assert reads == ["/usr/bin/cat"] * 2


def test_the_same_inode_number_on_another_file_system_is_another_file(tmp_path: Path) -> None:
    """Two new file systems in memory number their files alike; the second one's is bound over the first one's."""
    commands = " && ".join(
        [
            "mv lower image && mkdir lower second",
            "mount -t tmpfs tmpfs lower && cp -a image/. lower",
            "mount -t tmpfs tmpfs second && cp -a image/. second",
        ]
    )
    with overlaid(tmp_path, commands) as world:
        assert world.shell
        assert world.decide("/usr/bin/wc").hash == HASH["wc"]
        lower, second = world.lower / "usr/bin/wc", world.lower.parent / "second/usr/bin/wc"
        times = lower.stat()
        with second.open("r+b") as out:
            out.write(OTHER)
        os.utime(second, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert second.stat().st_ino == times.st_ino
        assert world.shell("mount --bind second/usr/bin/wc root/usr/bin/wc")
        for _ in range(2):
            assert world.denied("/usr/bin/wc").hash == digest(OTHER)


def test_what_is_remembered_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch, reads: list[str]) -> None:
    monkeypatch.setattr(hashes, "KEPT", 2)
    for _ in range(2):
        for name in ("wc", "cat", "sh", "strange"):
            decide = world.denied if name == "strange" else world.decide
            assert decide(f"/usr/bin/{name}").hash == HASH[name]
    assert len(world.controller._hashes._known) == 2
    assert len(reads) == 7  # wc was remembered by the fixture; then each pushes out the one that is asked for next


def test_programs_of_these_tests_differ() -> None:
    assert len(WC) == len(OTHER)
    assert digest(OTHER) not in entries()
