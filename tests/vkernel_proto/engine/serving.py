"""A vkernel that serves a bundle in a thread of the test, and a client that sends what it is told to."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from recompiler.format import strictjson
from tests import testbed
from tests.bundles import TestBundle
from vkernel_proto import audit
from vkernel_proto.engine.server import BundleConfig, BundleServer
from vkernel_proto.wire.client import Control

PATIENCE = 20.0
NULL = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


eventually = partial(testbed.eventually, patience=PATIENCE)


def records(log: Path, event: str | None = None) -> list[dict[str, Any]]:
    """The records of an audit log so far, after its chain is checked."""
    audit.verify(log)
    rows = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [row for row in rows if event in (None, row["event"])]


@dataclass
class Running:
    """The server and where it is."""

    server: BundleServer
    run_dir: Path
    log: Path
    clients: list[Control] = field(default_factory=list)

    def control(self, cid: str = "one") -> Control:
        """A new control connection, closed at the latest with the server."""
        self.clients.append(Control(self.run_dir, cid, PATIENCE))
        return self.clients[-1]

    def raw(self, cid: str = "one") -> Raw:
        """A client that has not said hello."""
        return Raw(self.run_dir / f"{cid}.sock", cid)

    def records(self, event: str | None = None) -> list[dict[str, Any]]:
        return records(self.log, event)

    def in_force(self) -> set[str]:
        """What its containers have, as the vkernel recorded it."""
        return set(self.last("create")["in_force"].split())

    def last(self, event: str) -> dict[str, Any]:
        return self.records(event)[-1]

    def drops(self, before: int) -> list[str]:
        """The codes of the connections that were dropped after the first `before`, once there is one."""
        eventually(lambda: len(self.records("drop")) > before)
        return [row["error"] for row in self.records("drop")[before:]]


@contextmanager
def serving(bundle: TestBundle, folder: Path, *cids: str, **options: Any) -> Iterator[Running]:
    """Serves until the end of the block, and fails when the server did."""
    folder.chmod(0o700)
    config = BundleConfig(
        bundle.folder, pubkeys=bundle.signer.pubkeys, run_dir=folder, audit=folder / "audit", **options
    )
    server = BundleServer(config)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            failed.append(error)

    try:
        for cid in cids:
            server.listen(cid)
    except BaseException:
        server.close()
        raise
    thread = threading.Thread(target=run)
    thread.start()
    running = Running(server, folder, folder / "audit")
    try:
        yield running
    finally:
        for client in running.clients:
            client.close()
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert not failed, failed
    assert not list(folder.glob("*.sock"))


class Raw:
    """One connection; lines go out as they are given."""

    def __init__(self, path: Path, cid: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rb")
        self.cid = cid

    def hello(self, **changes: Any) -> dict[str, Any]:
        message = {"type": "hello", "version": 1, "cid": self.cid, "role": "control", **changes}
        self.send(strictjson.dumps(message))
        return self.answer()

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        try:
            sent = socket.send_fds(self.sock, [data], list(fds)) if fds else 0
            self.sock.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # dropped already; its answer may be there

    def message(self, fds: Sequence[int] = (), **fields: Any) -> None:
        self.send(json.dumps(fields).encode() + b"\n", fds)

    def answer(self) -> dict[str, Any]:
        """The next line; {} at the end."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return {}
        return dict(json.loads(line)) if line else {}

    def dropped(self) -> bool:
        """Whether the connection ends, whatever is said before."""
        try:
            while self.file.read(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def output(control: Control, *argv: str, stdin: bytes = b"", **more: Any) -> tuple[int, bytes]:
    """Runs a guest to its end: status (or -signal), and what it wrote to fds 1 and 2, which must fit into a pipe."""
    reader, writer = os.pipe()
    in_reader, in_writer = os.pipe()
    os.write(in_writer, stdin)
    os.close(in_writer)
    try:
        pid = control.spawn(argv, (in_reader, writer, writer), **more)
    finally:
        os.close(writer)
        os.close(in_reader)
    with open(reader, "rb") as file:
        return control.exited(pid), file.read()
