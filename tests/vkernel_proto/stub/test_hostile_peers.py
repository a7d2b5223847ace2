"""Malformed frames by the thousand, while a well-behaved guest runs to its end."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.vkernel_proto.stub.fake_stub import Served, record, serving
from vkernel_proto.wire.frames import FRAME, MAGIC, RECORD, SYSCALLS

FIGURES = os.environ.get("RECOMPILER_FIGURES") == "1"
MALFORMED = 10_000 if FIGURES else 1_000  # frames in each encoding


def _malformed(rng: random.Random, encoding: str) -> bytes:
    """One thing that no honest guest sends."""
    if encoding == "json":
        texts = [
            rng.randbytes(rng.randrange(1, 200)),
            b'{"type":"syscall","id":%d,"name":"read","args":["%d"]}' % (rng.randrange(99), rng.randrange(99)),
            b"[" * rng.randrange(1, 3000),
            b'{"type":"syscall","id":1,"name":"write","args":[1],"data":"' + rng.randbytes(20).hex().encode() + b'="}',
            b'{"type":"exec","id":1,"path":"/","hash":"%s","argv":[]}' % rng.randbytes(8).hex().encode(),
            b'{"type":"signal","sig":%d}' % rng.choice([0, -1, 65, 2**40]),
        ]
        return rng.choice(texts).replace(b"\n", b" ") + b"\n"
    fields = [MAGIC, 64, SYSCALLS, 0, 1, 1, 0]
    spoil = {
        0: rng.randbytes(4),
        1: rng.choice([0, 63, 65, 1 << 20, (1 << 20) + 1, 1 << 31, 0xFFFFFFFF]),
        2: rng.choice([0, 2, 4, 0xFFFF]),
        3: rng.randrange(1, 1 << 16),
        4: rng.choice([0, 2, 65, 0xFFFFFFFF]),
        5: rng.choice([0, 1 << 53, (1 << 64) - 1]),
        6: rng.randrange(1, 1 << 64),
    }
    if rng.random() < 0.7:
        place = rng.choice(list(spoil))
        fields[place] = spoil[place]
        body = record("getpid")
    else:
        body = RECORD.pack(rng.choice([0, 1, 257]), rng.randrange(1, 1 << 32), *[rng.randrange(-99, 99)] * 6, 0)
    text = FRAME.pack(*fields) + body
    return text if rng.random() < 0.9 else text + rng.randbytes(rng.randrange(400))


@pytest.mark.figures
@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_hostile_peers_do_not_disturb_a_guest(tmp_path: Path, encoding: str) -> None:
    """A well-behaved guest runs to its end while malformed frames come; each costs its sender one record."""
    seed = int(os.environ.get("RECOMPILER_SEED", "20261121"))
    print(f"seed {seed}, {MALFORMED} malformed frames")
    rng = random.Random(seed)
    with serving(tmp_path) as served:
        stop = threading.Event()
        outcome: list[object] = []

        def well_behaved() -> None:
            try:
                with served.guest_in(encoding) as stub:
                    rounds = 0
                    while not stop.is_set() or rounds < 100:
                        assert stub.call("getpid")[0] >= 1
                        assert stub.call("write", 1, data=b"x" * 100) == (100, b"")
                        rounds += 1
                        time.sleep(0.001)
                    assert stub.call("exit_group", 5)[0] == 0
                    outcome.append(rounds)
            except BaseException as error:
                outcome.append(error)

        fds = served.fds_at_rest()
        thread = threading.Thread(target=well_behaved)
        thread.start()
        for _ in range(MALFORMED):
            with served.guest_in(encoding) as stub:
                stub.sock.sendall(_malformed(rng, encoding))
                stub.sock.shutdown(socket.SHUT_WR)  # a frame that promised more ends here
                assert stub.closed()
        stop.set()
        thread.join(60)
        assert len(outcome) == 1, "the well-behaved guest did not end"
        assert isinstance(outcome[0], int), outcome
        ends = served.wait_for(MALFORMED + 2, "drop", "exit")[1:]  # the first is that of fds_at_rest
        assert len(ends) == MALFORMED + 1
        assert [row["code"] for row in ends if "code" in row] == [5]
        # What is no drop is a frame that ended early: its sender left inside it.
        assert all(row.get("closed") or "code" in row for row in ends if row["event"] == "exit")
        assert sum(row["event"] == "drop" for row in ends) > MALFORMED // 2
        assert served.fds_at_rest() == fds
        assert served.vkernel.core.guests == {}


def test_garbage_before_hello_is_dropped_with_one_record_each(served: Served) -> None:
    rng = random.Random(7)
    count = 200
    for number in range(count):
        with served.connect() as stub:
            stub.sock.sendall(rng.randbytes(rng.randrange(1, 6000)) + b"\n")
            stub.sock.shutdown(socket.SHUT_WR)
            assert stub.answer().get("status") == "denied", number
    assert len(served.wait_for(count, "drop")) == count
