"""The audit log: what a changed past looks like, and that no acknowledged record is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recompiler.errors import Error
from vkernel_proto.audit import GENESIS, RECORD_MAX, Audit, verify


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    for number in range(6):
        audit.append("exit" if number % 2 else "hello", sync=bool(number % 2), number=number)
    audit.close()
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_log_verifies_and_names_its_head(log: Path) -> None:
    chain = verify(log)
    assert (chain.records, chain.torn) == (6, 0)
    assert verify(log, chain.head) == chain
    rows = [json.loads(line) for line in lines(log)]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["prev"] == GENESIS
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_empty_log_verifies(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert verify(tmp_path / "log").head == GENESIS


def test_every_flipped_bit_of_the_chain_shows(log: Path) -> None:
    """In the last record only against its head: nothing follows from it."""
    good = log.read_bytes()
    head = verify(log).head
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << (position % 8)
        log.write_bytes(bad)
        with pytest.raises(Error) as caught:
            verify(log, head)
        assert caught.value.code == "E_AUDIT", position


@pytest.mark.parametrize("change", ["remove", "swap", "repeat", "insert", "renumber"])
def test_a_changed_past_shows_without_a_head(log: Path, change: str) -> None:
    rows = lines(log)
    if change == "remove":
        del rows[2]
    elif change == "swap":
        rows[2], rows[3] = rows[3], rows[2]
    elif change == "repeat":
        rows.insert(3, rows[3])
    elif change == "insert":
        rows.insert(3, rows[3].replace(b'"seq":4', b'"seq":3'))
    else:
        rows[2] = rows[2].replace(b'"seq":3', b'"seq":9')
    log.write_bytes(b"".join(rows))
    with pytest.raises(Error, match="E_AUDIT") as caught:
        verify(log)
    assert caught.value.offset == sum(
        map(len, lines(log)[: {"swap": 2, "remove": 2, "renumber": 2, "repeat": 4}.get(change, 3)])
    )


def test_a_shortened_log_shows_only_against_its_head(log: Path) -> None:
    head = verify(log).head
    log.write_bytes(b"".join(lines(log)[:-1]))
    assert verify(log).records == 5
    with pytest.raises(Error, match="E_AUDIT"):
        verify(log, head)


@pytest.mark.parametrize(
    "text",
    [b"\n", b"{}\n", b"[]\n", b'{"seq":1}\n', b"\0" * 100 + b"\n", b'{"seq":true,"prev":"","event":"x"}\n',
     b"x" * RECORD_MAX, b"{" * 3000 + b"\n"],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(text)
    with pytest.raises(Error, match="E_AUDIT"):
        verify(path)
    with pytest.raises(Error, match="E_AUDIT"):
        Audit(path)
    assert path.read_bytes() == text, "a log that is not understood is left alone"


def test_a_restart_continues_the_chain(log: Path) -> None:
    for _ in range(3):
        audit = Audit(log)
        audit.append("start")
        audit.close()
    assert verify(log).records == 9


def test_a_torn_last_line_loses_no_record_and_is_recorded(log: Path) -> None:
    whole = lines(log)
    for keep in range(len(whole[-1])):
        log.write_bytes(b"".join(whole[:-1]) + whole[-1][:keep])
        torn = verify(log)
        assert (torn.records, torn.torn) == (5, keep)
        audit = Audit(log)
        audit.append("start")
        audit.close()
        chain = verify(log)
        assert (chain.records, chain.torn) == (7 if keep else 6, 0)
        assert lines(log)[:5] == whole[:5]
        if keep:
            row = json.loads(lines(log)[5])
            assert (row["event"], row["bytes"]) == ("torn", keep)


def test_a_torn_first_line_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"seq":1,')
    audit = Audit(path)
    audit.append("start")
    audit.close()
    assert [json.loads(line)["event"] for line in lines(path)] == ["torn", "start"]
    assert verify(path).records == 2


def test_a_crash_while_a_torn_line_is_recorded_is_a_torn_line_again(log: Path) -> None:
    """The record of it is written over the torn line, so every moment in between leaves the whole lines whole."""
    whole = b"".join(lines(log))
    log.write_bytes(whole + b'{"seq":7,"time"')
    Audit(log).close()
    repaired = log.read_bytes()
    for cut in range(len(whole) + 1, len(repaired), 7):
        log.write_bytes(repaired[:cut])
        Audit(log).close()
        assert verify(log).torn == 0
        assert log.read_bytes().startswith(whole)


def test_one_log_has_one_writer(log: Path) -> None:
    audit = Audit(log)
    with pytest.raises(Error, match=r"E_AUDIT.*another vkernel"):
        Audit(log)
    audit.close()
    Audit(log).close()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    if kind == "symlink":
        path.symlink_to(tmp_path / "other")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(Error, match="E_AUDIT"):
        Audit(path)
    if kind != "symlink":
        with pytest.raises(Error, match=r"E_OPEN|E_READ"):
            verify(path)


def test_what_a_peer_sends_cannot_break_a_record(tmp_path: Path) -> None:
    path = tmp_path / "log"
    audit = Audit(path)
    rng = random.Random(5)
    audit.append("deny", path='"}\n{"seq":1', raw=b"\xff\0\n", text="\ud800\u202e", big="x" * 10_000_000)
    audit.append("deny", many={str(k): "y" * 100 for k in range(5000)})
    for _ in range(100):
        audit.append("drop", message=rng.randbytes(rng.randrange(200)))
    audit.close()
    assert verify(path).records == 102
    assert max(map(len, lines(path))) <= RECORD_MAX


def test_threads_share_one_chain(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "log")

    def write(name: int) -> None:
        for number in range(50):
            audit.append("exit", sync=True, name=name, number=number)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(tmp_path / "log", audit.head).records == 400
    audit.close()


def test_no_acknowledged_record_is_lost_when_the_vkernel_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = (
        "import sys; from pathlib import Path; from vkernel_proto.audit import Audit\n"
        "a = Audit(Path(sys.argv[1]))\n"
        "for n in range(10**9): a.append('exit', sync=True, n=n); print(n, flush=True)"
    )
    rng = random.Random(11)
    acknowledged: list[int] = []
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, env=environment())
        assert child.stdout is not None
        for _ in range(rng.randrange(5, 60)):
            last = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split()
        child.stdout.close()
        child.wait(30)
        acknowledged.append(int(rest[-1]) if rest else last)
    verify(path)
    found = [json.loads(line).get("n") for line in lines(path) if line.endswith(b"\n")]
    starts = [position for position, n in enumerate(found) if n == 0]
    for begin, end, last in zip(starts, [*starts[1:], len(found)], acknowledged, strict=True):
        assert [n for n in found[begin:end] if n is not None][: last + 1] == list(range(last + 1))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_full_disk_leaves_no_half_record(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Audit(log)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[: len(data) // 2], at))
    with pytest.raises(Error, match="E_AUDIT"):
        audit.append("exit", sync=True)
    monkeypatch.undo()
    assert verify(log) == verify(log, audit.head)
    audit.append("exit", sync=True)
    audit.close()
    assert verify(log).records == 7


def test_after_a_failed_fsync_nothing_is_acknowledged(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    audit = Audit(log)
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Error, match="E_AUDIT"):
        audit.append("exit", sync=True)
    monkeypatch.undo()
    with pytest.raises(Error, match="E_AUDIT"):
        audit.append("exit", sync=True)
    audit.close()
