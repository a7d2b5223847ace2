"""In: network rules as text. Out: what they match, or that they are none."""

from __future__ import annotations

import ipaddress

import pytest

from recompiler.format import netrule


@pytest.mark.parametrize(
    ("rule", "address", "port", "matches"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("127.0.0.1:80", "127.0.0.1", 81, False),
        ("127.0.0.1:*", "127.0.0.1", 65535, True),
        ("10.1.2.3/8:443", "10.255.0.1", 443, True),
        ("10.0.0.0/8:443", "11.0.0.1", 443, False),
        ("0.0.0.0/0:1", "8.8.8.8", 1, True),
        ("0.0.0.0/0:1", "::1", 1, False),
        ("[::1]:80", "::1", 80, True),
        ("[2001:db8::/32]:*", "2001:db8:1::2", 9, True),
        ("[2001:db8::/32]:*", "2001:db9::", 9, False),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4", 80, False),
        ("*:53", "::1", 53, True),
        ("*:*", "1.2.3.4", 1, True),
    ],
)
def test_a_rule_matches_its_addresses_and_ports(rule: str, address: str, port: int, matches: bool) -> None:
    found = netrule.parse(rule)
    assert found is not None
    assert found.matches(ipaddress.ip_address(address), port) is matches


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "*",
            "*:",
            ":80",
            "localhost:80",
            "example.org:443",
            "1.2.3:80",
            "1.2.3.4",
            "1.2.3.4:0",
            "1.2.3.4:65536",
        ),
        *("1.2.3.4:080", "01.2.3.4:80", "1.2.3.4/33:80", "1.2.3.4/08:80", "1.2.3.4/:80", "1.2.3.256:80", "1.2.3.4:80 "),
        *("::1:80", "[::1:80", "[::1]", "[::1]:", "[::1%lo]:80", "[::1/129]:80", "[1.2.3.4]:80", "[*]:80", "[:::]:80"),
        *("1.2.3.4:-1", "1.2.3.4:\u0661", "\uff11.2.3.4:80", "1.2.3.4:80\n"),
    ],
)
def test_what_is_not_a_rule_is_none(text: str) -> None:
    assert netrule.parse(text) is None
