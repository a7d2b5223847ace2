"""Clients of a vkernel that dies under them: what they asked for, and what they were told."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.wire.client import Control


@dataclass(frozen=True)
class Told:
    """One answer that a client has read. name is the argv[0], used once, or the path that was denied."""

    cid: str
    kind: str  # spawn, exit, deny
    name: str
    pid: int = 0
    end: int = 0  # exit status, or -signal


class Load(threading.Thread):
    """Starts guests of a container, one after the other, with a few at once; comes back when the vkernel does."""

    def __init__(self, run_dir: Path, cid: str, seed: int) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.failed: BaseException | None = None
        self._run_dir = run_dir
        self._cid = cid
        self._dice = random.Random(seed)
        self._seed = seed
        self._count = 0
        self._ending = threading.Event()
        self._null = os.open(os.devnull, os.O_RDWR)

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                with suppress(Error, OSError), Control(self._run_dir, self._cid, timeout=20) as control:
                    while not self._ending.is_set():
                        self._ask(control)
                time.sleep(0.005)
        except BaseException as error:
            self.failed = error

    def end(self) -> None:
        """Stops it."""
        self._ending.set()
        self.join(60)
        os.close(self._null)

    def _fresh(self) -> str:
        self._count += 1
        return f"{self._seed}-{self._count}"

    def _ask(self, control: Control) -> None:
        name = self._fresh()
        if self._dice.random() < 0.2:
            path = f"/bin/{name}"
            answer = self._request(control, path, [path])
            if answer.get("reason") == "not found":
                self.told.append(Told(self._cid, "deny", path))
            return
        verb = self._dice.choice((["exit", "7"], ["echo", "x"], ["nap", "20"], ["spin"]))
        answer = self._request(control, "/bin/guest", [name, *verb])
        if "pid" not in answer:
            return  # the engine was killed under it: E_RPC_CLOSED, and no verdict
        pid = answer["pid"]
        self.told.append(Told(self._cid, "spawn", name, pid))
        if verb == ["spin"]:
            control.signal(pid, 15)
        self.told.append(Told(self._cid, "exit", name, pid, control.exited(pid)))

    def _request(self, control: Control, path: str, argv: list[str]) -> dict[str, Any]:
        number = control.request(
            "spawn", (self._null, self._null, self._null), path=path, argv=argv, env={}, cwd="/", tty=False
        )
        return control.answer(number)


def missing(told: list[Told], log: Path) -> list[Told]:
    """What clients were told and the log does not have."""
    denied: set[tuple[str, str]] = set()
    spawned: dict[str, tuple[str, int]] = {}
    running: dict[tuple[str, int], str] = {}
    ended: dict[str, int] = {}
    for line in log.read_bytes().splitlines():
        record = strictjson.loads(line, max_depth=8, code="E_AUDIT")
        cid = record.get("cid", "")
        match record["event"]:
            case "deny" if "argv0" in record:
                denied.add((cid, record["argv0"]))
            case "spawn":
                spawned[record["argv0"]] = cid, record["pid"]
                running[cid, record["pid"]] = record["argv0"]
            case "exit" if (name := running.pop((cid, record["pid"]), None)) is not None:
                ended[name] = -record["signal"] if "signal" in record else record["code"]
    has = {
        "deny": lambda t: (t.cid, t.name) in denied,
        "spawn": lambda t: spawned.get(t.name) == (t.cid, t.pid),
        "exit": lambda t: ended.get(t.name) == t.end,
    }
    return [t for t in told if not has[t.kind](t)]
