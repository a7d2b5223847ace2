"""The table of syscalls.py against the two other places that say the same, and against what a hostile guest sends."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from tests.testbed import ROOT
from tests.vkernel_proto.stub.lone_process import lone_process
from vkernel_proto.stub import flags
from vkernel_proto.stub.process import Exited
from vkernel_proto.stub.syscalls import BY_NUMBER, TABLE
from vkernel_proto.wire.syscalls import SYSCALLS


def test_table_equals_the_protocol_document() -> None:
    text = (ROOT / "docs" / "wire.md").read_text()
    rows = {}
    for line in text[text.index("\n## Syscalls") :].splitlines():
        if match := re.fullmatch(r"\| ([a-z0-9_]+) \| (\d+) \| (.*?) ?\| ?(.*?) ?\|", line):
            request = re.sub(r"\([^)]*\)", "", match[3])
            letters = "".join(re.findall(r"(?:^|, )([isd])\b", request))
            rows[match[1]] = (int(match[2]), letters, "D" if match[4].startswith("D") else "-")
    assert rows == {call.name: (call.nr, call.letters, call.reply) for call in SYSCALLS}


def test_table_equals_the_header_of_the_c_side() -> None:
    text = (ROOT / "csrc" / "base" / "sys.h").read_text()
    found = re.findall(r'X\((\w+), (\d+), "([isd]*)", "([D-])"\)', text)
    rows = {name: (int(nr), letters, reply) for name, nr, letters, reply in found}
    assert rows == {call.name: (call.nr, call.letters, call.reply) for call in SYSCALLS}


def test_table_says_what_is_partial_about_every_partial_syscall() -> None:
    assert len(BY_NUMBER) == len(TABLE)
    assert [row.name for row in TABLE] == [call.name for call in SYSCALLS]
    for row in TABLE:
        assert row.status in ("full", "partial", "refused"), row.name
        assert row.status == "full" or row.remark, row.name


def test_open_flags_reach_the_host_in_its_own_numbers() -> None:
    names = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND", "O_DIRECTORY", "O_NOFOLLOW", "O_PATH")
    for name in names:
        guest = next(row[1] for row in flags.OPEN_FLAGS if row[0] == name)
        assert flags.to_host(guest) == getattr(os, name)
        assert flags.to_guest(getattr(os, name)) == guest
    assert flags.to_host(0o4010000) == os.O_SYNC
    assert flags.to_host(0o20200000) == os.O_TMPFILE
    assert flags.to_host(0o2000000 | 0o40000 | 0o20000 | 0o4000 | 0o400 | 1 << 40) == 0  # not the host's business
    assert flags.to_guest(os.O_RDWR | os.O_NONBLOCK) == 0o4002


# Small enough that no call makes a big file; the large ones are beyond what any file system takes.
_NUMBERS = (
    *range(-3, 9),
    -100,
    16,
    64,
    0o100,
    0o200000,
    4095,
    4096,
    65536,
    1 << 31,
    1 << 32,
    (1 << 63) - 1,
    -(1 << 63),
)
_STRINGS = (
    b"",
    b"/",
    b".",
    b"..",
    b"a",
    b"b/",
    b"a/b",
    b"/../a",
    b"x" * 255,
    b"x" * 5000,
    b"\xff\xfe",
    b"a\nb",
    b"/a/../b",
)


@pytest.mark.parametrize("seed", range(3))
def test_random_calls_are_answered_and_never_raise(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    random_ = random.Random(seed)
    root = tmp_path / "root"
    root.mkdir()
    with lone_process(root) as lone:
        lone.guest_end.close()  # a call that would block is interrupted
        for _ in range(6000):
            row = random_.choice(TABLE)
            args = [random_.choice(_NUMBERS) if random_.random() < 0.7 else random_.randrange(10) for _ in range(6)]
            strings = [random_.choice(_STRINGS) for _ in range(row.strings)]
            data = random_.randbytes(random_.choice((0, 0, 1, 8, 12, 16, 28, 32, 1000)))
            if row.name in ("exit", "exit_group"):
                with pytest.raises(Exited) as caught:
                    lone.process.call(row.nr, args, strings, data)
                assert 0 <= caught.value.code <= 255
                continue
            value, reply = lone.process.call(row.nr, args, strings, data)
            assert (type(value), type(reply)) == (int, bytes), row.name
            assert value >= -4095, (row.name, value)
            assert value >= 0 or not reply, (row.name, value)
            assert len(reply) <= 1_000_128, row.name
    assert [entry.name for entry in tmp_path.iterdir()] == ["root"]


def test_call_refuses_a_wrong_number_of_strings_or_arguments(tmp_path: Path) -> None:
    with lone_process(tmp_path) as lone:
        assert lone.process.call(257, (-100, 0, 0, 0, 0, 0), (), b"") == (-22, b"")
        assert lone.process.call(39, (0, 0), (), b"") == (-22, b"")
