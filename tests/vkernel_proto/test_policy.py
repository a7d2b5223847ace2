"""The manifest's policy: which names, which addresses, and what the audit log hears of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from recompiler.errors import Error
from tests.vkernel_proto.stub.lone_process import NUMBERS, lone_process, policy
from vkernel_proto.policy import RECORDS_MAX, Policy, parse_rule, parse_sockaddr


def _decider(records: list[dict[str, Any]] | None = None, **rules: Any) -> Policy:
    def audit(event: str, **fields: Any) -> None:
        if records is not None:
            records.append({"event": event, **fields})

    return Policy(policy(**rules), audit)


@pytest.mark.parametrize(
    ("rule", "address", "port", "matches"),
    [
        ("10.1.2.3:80", "10.1.2.3", 80, True),
        ("10.1.2.3:80", "10.1.2.3", 81, False),
        ("10.1.2.3:80", "10.1.2.4", 80, False),
        ("10.0.0.0/8:*", "10.255.1.1", 1, True),
        ("10.0.0.0/8:*", "11.0.0.1", 1, False),
        ("0.0.0.0/0:443", "8.8.8.8", 443, True),
        ("0.0.0.0/0:443", "2001:db8::1", 443, False),
        ("[2001:db8::1]:53", "2001:db8::1", 53, True),
        ("[2001:db8::/32]:53", "2001:db8:9::1", 53, True),
        ("[2001:db8::/32]:53", "2001:db9::1", 53, False),
        ("[::/0]:53", "1.2.3.4", 53, False),
        ("[::ffff:10.0.0.0/104]:9", "10.7.7.7", 9, True),
        ("*:25", "1.2.3.4", 25, True),
        ("*:25", "2001:db8::1", 25, True),
        ("*:*", "1.2.3.4", 65535, True),
        ("*:25", "1.2.3.4", 26, False),
    ],
)
def test_rule_matches_the_addresses_it_names(rule: str, address: str, port: int, matches: bool) -> None:
    assert parse_rule(rule).matches(ip_address(address), port) is matches


@pytest.mark.parametrize(
    "rule",
    ["", "*", ":80", "1.2.3.4", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:080", "1.2.3:80", "1.2.3.4/33:80", "::1:80",
     "[1.2.3.4]:80", "[::1:80", "[]:80", "example.org:80", "1.2.3.4:80 ", "1.2.3.4:-1", "[::1%lo]:80", "**:80",
     "1.2.3.4:8*", "1.2.3.4:\u0663"],
)  # fmt: skip
def test_parse_rule_refuses_what_is_not_a_rule(rule: str) -> None:
    with pytest.raises(Error) as caught:
        parse_rule(rule)
    assert caught.value.code == "E_MANIFEST_SCHEMA"


def _v4(address: str, port: int, family: int = socket.AF_INET) -> bytes:
    return struct.pack("<H", family) + struct.pack(">H", port) + socket.inet_aton(address) + bytes(8)


def _v6(address: str, port: int) -> bytes:
    head = struct.pack("<H", socket.AF_INET6) + struct.pack(">HI", port, 0)
    return head + socket.inet_pton(socket.AF_INET6, address) + bytes(4)


def test_sockaddr_gives_the_address_that_is_decided() -> None:
    assert parse_sockaddr(_v4("10.1.2.3", 80)) == (ip_address("10.1.2.3"), 80)
    assert parse_sockaddr(_v6("2001:db8::1", 80)) == (ip_address("2001:db8::1"), 80)
    assert parse_sockaddr(_v6("::ffff:10.1.2.3", 80)) == (ip_address("10.1.2.3"), 80)


@pytest.mark.parametrize(
    "data",
    [b"", b"\2", _v4("1.2.3.4", 80)[:15], _v6("::1", 80)[:27], _v4("1.2.3.4", 80, socket.AF_UNSPEC), b"\1\0/run/x\0",
     _v4("1.2.3.4", 80, 0x0200), bytes(28), _v4("1.2.3.4", 80) + bytes(200)],
)  # fmt: skip
def test_sockaddr_of_another_family_or_length_is_no_address(data: bytes) -> None:
    assert parse_sockaddr(data) is None


def test_unspecified_address_is_decided_as_loopback() -> None:
    decide = _decider(connect=("10.0.0.0/8:*", "0.0.0.0:80"))
    assert not decide.may_reach("connect", ip_address("0.0.0.0"), 80)
    assert not decide.may_reach("connect", ip_address("::"), 80)
    assert _decider(connect=("127.0.0.1:80",)).may_reach("connect", ip_address("0.0.0.0"), 80)


def test_bind_to_all_addresses_needs_a_rule_that_says_so() -> None:
    assert not _decider(bind=("127.0.0.1:80",)).may_bind("bind", ip_address("0.0.0.0"), 80)
    assert _decider(bind=("0.0.0.0:80",)).may_bind("bind", ip_address("0.0.0.0"), 80)
    assert not _decider(bind=("127.0.0.1:80",)).may_bind("bind", ip_address("127.0.0.1"), 0)
    assert _decider(bind=("127.0.0.1:*",)).may_bind("bind", ip_address("127.0.0.1"), 0)


def test_connect_rules_do_not_allow_bind_nor_the_reverse() -> None:
    decide = _decider(connect=("1.1.1.1:*",), bind=("2.2.2.2:*",))
    assert not decide.may_bind("bind", ip_address("1.1.1.1"), 5)
    assert not decide.may_reach("connect", ip_address("2.2.2.2"), 5)


def test_each_decision_is_recorded_once_and_their_number_is_bounded() -> None:
    records: list[dict[str, Any]] = []
    decide = _decider(records, connect=("1.2.3.4:80",))
    for _ in range(3):
        decide.may_reach("connect", ip_address("1.2.3.4"), 80)
        decide.may_reach("connect", ip_address("1.2.3.5"), 80)
    assert [(record["event"], record["address"]) for record in records] == [("allow", "1.2.3.4"), ("deny", "1.2.3.5")]
    for port in range(1, 2000):
        decide.may_reach("connect", ip_address("9.9.9.9"), port)
    assert len(records) == RECORDS_MAX + 1
    assert "no more" in records[-1]["reason"]


def test_name_outside_the_allow_list_is_eperm_and_recorded_once(tmp_path: Path) -> None:
    with lone_process(tmp_path, allow=frozenset({"write"})) as lone:
        for _ in range(3):
            assert lone.ret("read", 0, 1) == -1
            assert lone.ret("getpid") == -1
        assert lone.ret("write", 1, data=b"x") == 1
        assert [(record["event"], record["syscall"]) for record in lone.records] == [
            ("deny", "read"),
            ("deny", "getpid"),
        ]


@pytest.mark.parametrize("call", [lambda p: p.call(59, (0,) * 6, (), b""), lambda p: p.call(-1, (), (b"execve",), b"")])
def test_name_outside_the_table_is_enosys_and_recorded_once(tmp_path: Path, call: Callable[[Any], Any]) -> None:
    with lone_process(tmp_path, allow=frozenset({*NUMBERS, "execve"})) as lone:
        assert call(lone.process) == call(lone.process) == (-38, b"")
        assert len(lone.records) == 1
        assert lone.records[0]["syscall"] in ("execve", "number 59")


def test_guest_that_invents_names_cannot_fill_the_log(tmp_path: Path) -> None:
    with lone_process(tmp_path) as lone:
        for number in range(2000):
            assert lone.process.call(-1, (), (b"call%d" % number,), b"")[0] == -38
        assert len(lone.records) == RECORDS_MAX + 1


def test_malformed_rule_of_a_manifest_is_refused_when_the_process_is_made() -> None:
    with pytest.raises(Error):
        _decider(connect=("nonsense",))
