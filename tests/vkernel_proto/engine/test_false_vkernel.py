"""Commands that talk to a vkernel, and one that lies: a stranger is told nothing, and no answer is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recompiler.cli import main as recompiler_main
from tests.bundles import BUILT
from tests.vkernel_proto.engine.false_vkernel import OK, Say, answering, line, listening_as
from vkernel_proto.cli import main as vkernel_main
from vkernel_proto.engine.zygote import VKEXEC

NOBODY = 65534
COMMANDS: dict[str, list[str | Path]] = {
    "recompiler ps": [sys.executable, "-m", "recompiler", "ps", "--run-dir", "RUN", "one"],
    "recompiler ps of all": [sys.executable, "-m", "recompiler", "ps", "--run-dir", "RUN"],
    "recompiler exec": [sys.executable, "-m", "recompiler", "exec", "--run-dir", "RUN", "one", "--", "guest"],
    "vkexec": [VKEXEC, "--run-dir", "RUN", "one", "--", "guest"],
    "vkernel ps": [sys.executable, "-m", "vkernel_proto", "ps", "--run-dir", "RUN", "--cid", "one"],
    "vkernel kill": [sys.executable, "-m", "vkernel_proto", "kill", "--run-dir", "RUN", "--cid", "one", "1"],
}
LISTING = ("recompiler ps", "recompiler ps of all", "vkernel ps", "vkernel kill")
STARTING = ("vkexec", "recompiler exec")
ROW = {"pid": 1, "age_ms": 5, "subject": "demo/x", "uid": 0}
EVIL = "\x1b[2J\u202e\x9b\r\nevil\x07"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def code(self) -> str:
        """Of the one line on stderr."""
        assert self.err.count("\n") == 1, self.err
        return self.err.split(": ")[1]


Run = Callable[[str], Done]


@pytest.fixture
def run(run_dir: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command by its name, those in Python in this process."""

    def call(name: str) -> Done:
        words = command(name, run_dir)
        if name in STARTING:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
            return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        main = recompiler_main if words[2] == "recompiler" else vkernel_main
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words[3:])
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return call


def command(name: str, run_dir: Path) -> list[str]:
    if name in STARTING and not BUILT:
        pytest.skip("no engine was built for this machine")
    return [str(run_dir) if word == "RUN" else str(word) for word in COMMANDS[name]]


def after_hello(answer: bytes) -> Say:
    return lambda request: OK if request["type"] == "hello" else answer


def listed(*rows: Any) -> bytes:
    return line(id=1, processes=list(rows))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_nothing_is_sent_to_a_process_of_another_user(name: str, run: Run, run_dir: Path) -> None:
    with listening_as(NOBODY, run_dir / "one.sock") as told:
        done = run(name)
        assert (done.code, done.out) == ("E_SOCK_PEER", "")
        assert told() == b""


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_sent_where_others_can_put_a_socket(name: str, run: Run, run_dir: Path) -> None:
    run_dir.chmod(0o702)
    with answering(run_dir / "one.sock", after_hello(listed(ROW))) as heard:
        done = run(name)
    assert (done.code, done.out, heard.lines) == ("E_SOCK_PATH", "", [])


@pytest.mark.parametrize("name", ["recompiler ps", "vkernel ps", "vkernel kill", "vkexec"])
def test_nothing_is_sent_through_a_symlink(name: str, run: Run, run_dir: Path) -> None:
    with answering(run_dir / "other.sock", after_hello(listed(ROW))) as heard:
        (run_dir / "one.sock").symlink_to("other.sock")
        done = run(name)
    assert (done.code, heard.lines) == ("E_SOCK_PATH", [])


def test_an_honest_answer_is_listed(run: Run, run_dir: Path) -> None:
    """What the answers below differ from."""
    with answering(run_dir / "one.sock", after_hello(listed(ROW))):
        for name in ("recompiler ps", "recompiler ps of all", "vkernel ps"):
            done = run(name)
            assert (done.status, done.err, "demo/x" in done.out) == (0, "", True)


HELLOS: list[tuple[str, bytes, str, str]] = [
    ("no object", b"[]\n", "E_RPC_REPLY", "E_RPC_JSON"),
    ("no fields", b"{}\n", "E_RPC_REPLY", "E_RPC_REPLY"),
    ("another status", line(status="maybe", error="E_X", message="no"), "E_RPC_REPLY", "E_RPC_REPLY"),
    ("a status that is no text", line(status=["ok"]), "E_RPC_REPLY", "E_RPC_REPLY"),
    ("a denial without a reason", line(status="denied"), "E_RPC_REPLY", "E_RPC_REPLY"),
    ("a reason that is no text", line(status="denied", error={}, message=1), "E_RPC_REPLY", "E_RPC_REPLY"),
    ("deep", b'{"status":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "E_RPC_REPLY", "E_RPC_JSON"),
    ("a key twice", b'{"status":"ok","status":"ok"}\n', "E_RPC_REPLY", "E_RPC_JSON"),
    ("no JSON", b"\x1b[2Jhello\n", "E_RPC_REPLY", "E_RPC_JSON"),
    ("no UTF-8", b'{"status":"\xff"}\n', "E_RPC_REPLY", "E_RPC_JSON"),
    ("huge", b'{"status":"' + b"x" * (2 << 20) + b'"}\n', "E_RPC_REPLY", "E_RPC_JSON"),
]


@pytest.mark.parametrize(("hello", "code", "code_in_c"), [row[1:] for row in HELLOS], ids=[row[0] for row in HELLOS])
def test_an_answer_to_hello_that_is_none_is_one_line(
    run: Run, run_dir: Path, hello: bytes, code: str, code_in_c: str
) -> None:
    with answering(run_dir / "one.sock", lambda request: hello):
        assert run("recompiler ps").code == code
        assert run("vkexec").code == code_in_c


ANSWERS: dict[str, bytes] = {
    "no fields": b"{}\n",
    "no id": line(processes=[ROW]),
    "an id that is no number": line(id="1", processes=[ROW]),
    "an id that is a truth": b'{"id":true,"processes":[]}\n',
    "an id that was not asked": line(id=7, processes=[ROW]),
    "no rows": line(id=1),
    "rows that are no list": line(id=1, processes={}),
    "a row that is no object": listed(7),
    "a row without fields": listed({}),
    "a row without a pid": listed({"age_ms": 5, "path": "/x"}),
    "a row without an age": listed({"pid": 1, "path": "/x"}),
    "a pid that is a text": listed(ROW | {"pid": EVIL}),
    "an age that is a list": listed(ROW | {"age_ms": []}),
    "a path that is an object": listed(ROW | {"path": {}}),
    "a uid that is null": listed(ROW | {"uid": None}),
    "deep": b'{"id":1,"processes":' + b"[" * 5000 + b"]" * 5000 + b"}\n",
    "huge": b'{"id":1,"processes":[' + b"1," * (1 << 20) + b"1]}\n",
    "the end of somebody": line(type="exit", pid="x", code=0),
    "an end without a status": line(type="exit", pid=1),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_to_ps_that_is_none_is_one_line(run: Run, run_dir: Path, answer: bytes) -> None:
    with answering(run_dir / "one.sock", after_hello(answer)):
        for name in LISTING:
            done = run(name)
            assert (done.code, done.status, done.out) == ("E_RPC_REPLY", 3, "")


STARTS: dict[str, bytes] = {
    "no fields": b"{}\n",
    "another id": line(id=2, pid=1),
    "a pid that is a text": line(id=1, pid="1"),
    "a pid that is negative": line(id=1, pid=-5),
    "a denial without a reason": line(id=1, status="denied"),
    "a reason that is no text": line(id=1, status="denied", reason=5),
    "an end before the start": line(type="exit", pid=1, code=0),
    "an end of nobody": line(type="exit"),
    "an end without a status": line(id=1, pid=1) + line(type="exit", pid=1),
    "an end by no signal": line(id=1, pid=1) + line(type="exit", pid=1, signal=1 << 40),
    "two starts": line(id=1, pid=1) + line(id=1, pid=2),
}


@pytest.mark.parametrize("answer", STARTS.values(), ids=STARTS)
def test_an_answer_to_spawn_that_is_none_is_one_line(run: Run, run_dir: Path, answer: bytes) -> None:
    with answering(run_dir / "one.sock", after_hello(answer)):
        for name in STARTING:
            done = run(name)
            assert (done.code, done.status) == ("E_RPC_REPLY", 125)


def test_a_vkernel_that_says_nothing_is_not_waited_for(run_dir: Path) -> None:
    with answering(run_dir / "one.sock", lambda request: b""):
        started = [
            subprocess.Popen(command(name, run_dir), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for name in COMMANDS
        ]
        said = [process.communicate(timeout=60)[1] for process in started]
    assert [text.split(b": ")[1] for text in said] == [b"E_SOCK_TIMEOUT"] * len(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_vkernel_says_cannot_move_the_cursor(name: str, run: Run, run_dir: Path) -> None:
    denial = line(status="denied", error=EVIL, message=EVIL)
    starts = name in STARTING
    answer = line(id=1, status="denied", reason=EVIL) if starts else listed(ROW | {"subject": EVIL}, ROW | {"pid": 9})
    for say in (lambda request: denial, after_hello(answer)):
        with answering(run_dir / "one.sock", say):
            done = run(name)
        text = done.out + done.err
        assert "evil" in text or name == "vkernel kill"
        assert all(c.isprintable() for c in text.replace("\n", ""))
        assert text.count("\n") <= 3


def test_a_row_cannot_say_which_container_it_is_of(run: Run, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "as json", [*COMMANDS["recompiler ps"], "--json"])
    with answering(run_dir / "one.sock", after_hello(listed(ROW | {"cid": "two", "more": EVIL}))):
        done = run("as json")
    assert json.loads(done.out)["processes"] == [{"cid": "one", **ROW}]
