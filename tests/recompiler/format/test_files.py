"""In: outputs that must not be written, and failures on the way. Out: whole files or E_OUTPUT, nothing in between."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import files


def refused(path: Path, parts: list[bytes], **options: object) -> None:
    with pytest.raises(Error, match="E_OUTPUT"):
        files.write_file(path, parts, **options)  # type: ignore[arg-type]


def test_a_file_appears_whole_with_its_mode(tmp_path: Path) -> None:
    files.write_file(tmp_path / "out", [b"a", b"b"], mode=0o750)
    assert (tmp_path / "out").read_bytes() == b"ab"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750
    assert os.listdir(tmp_path) == ["out"]


def test_an_output_that_exists_needs_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    refused(out, [b"new"])
    assert out.read_bytes() == b"old"
    files.write_file(out, [b"new"], force=True)
    assert out.read_bytes() == b"new"


@pytest.mark.parametrize("force", [False, True])
def test_a_symlink_is_never_an_output(tmp_path: Path, force: bool) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("none")
    refused(tmp_path / "link", [b"new"], force=force)
    refused(tmp_path / "dangling", [b"new"], force=force)
    assert (tmp_path / "real").read_bytes() == b"old"


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"old")
    (tmp_path / "same").hardlink_to(tmp_path / "in")
    refused(tmp_path / "in", [b"new"], force=True, inputs=[tmp_path / "in"])
    refused(tmp_path / "same", [b"new"], force=True, inputs=[tmp_path / "none", tmp_path / "in"])
    assert (tmp_path / "in").read_bytes() == b"old"


def test_a_directory_a_fifo_and_a_missing_directory_are_no_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path, [b"x"], force=True)
    refused(tmp_path / "fifo", [b"x"], force=True)
    refused(tmp_path / "none" / "out", [b"x"])
    refused(Path("a\0b"), [b"x"])


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def parts() -> Iterator[bytes]:
        yield b"new"
        out.write_bytes(b"theirs")

    with pytest.raises(Error, match="E_OUTPUT"):
        files.write_file(out, parts())
    assert out.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["out"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(Error, match="No space left"):
        files.write_file(out, [b"new"], force=True)
    assert out.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_system_without_hard_links_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(files.os, "link", no_links)
    files.write_file(tmp_path / "out", [b"new"])
    refused(tmp_path / "out", [b"newer"])
    assert (tmp_path / "out").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_an_input_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise Error("E_CHANGED", "the input changed")

    with pytest.raises(Error, match="E_CHANGED"):
        files.write_file(tmp_path / "out", parts())
    assert os.listdir(tmp_path) == []


def test_reading_refuses_what_is_no_regular_file_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"12345")
    for path, code in ((tmp_path / "fifo", "E_NOT_REGULAR"), (tmp_path, "E_NOT_REGULAR"), (tmp_path / "x", "E_OPEN")):
        with pytest.raises(Error, match=code):
            files.read_file(path, 10)
    assert files.read_file(tmp_path / "large", 5) == b"12345"
    with pytest.raises(Error, match="E_TOO_LARGE"):
        files.read_file(tmp_path / "large", 4)
