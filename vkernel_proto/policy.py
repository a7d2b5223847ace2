"""In: the signed manifest's policy. Out: decisions about names and addresses, each in the audit log once.

RULE     ADDRESS ":" PORT
ADDRESS  IPv4 | IPv4/PREFIX | "[" IPv6 "]" | "[" IPv6/PREFIX "]" | "*"
PORT     1..65535 | "*"
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

from recompiler.errors import Error

if TYPE_CHECKING:
    from recompiler.format.manifest import Policy as ManifestPolicy

Address = IPv4Address | IPv6Address
RECORDS_MAX: Final = 256  # distinct decisions of one process in the log: a guest that varies them cannot fill the disk
_RULE: Final = re.compile(r"(?:(?P<v4>[0-9./]+)|\[(?P<v6>[0-9a-fA-F:./]+)\]|(?P<any>\*)):(?P<port>\*|[1-9][0-9]{0,4})")


@dataclass(frozen=True)
class Rule:
    """Addresses and ports of one rule; None is `*`."""

    network: IPv4Network | IPv6Network | None
    port: int | None

    def matches(self, address: Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        return self.network is None or address in self.network  # False when the versions differ


def parse_rule(text: str) -> Rule:
    """One network rule. Raises Error (E_MANIFEST_SCHEMA)."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise Error("E_MANIFEST_SCHEMA", f"network rule {text[:100]!r} is not ADDRESS:PORT")
    port = None if match["port"] == "*" else int(match["port"])
    if port is not None and port > 65535:
        raise Error("E_MANIFEST_SCHEMA", f"network rule {text[:100]!r}: the port is over 65535")
    if match["any"]:
        return Rule(None, port)
    try:
        network = ip_network(match["v4"] or match["v6"], strict=False)
    except ValueError as error:
        raise Error("E_MANIFEST_SCHEMA", f"network rule {text[:100]!r}: {error}") from error
    if (network.version == 4) != bool(match["v4"]):
        raise Error("E_MANIFEST_SCHEMA", f"network rule {text[:100]!r}: IPv6 in brackets, IPv4 without")
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:  # addresses are compared unmapped
            network = IPv4Network((mapped, network.prefixlen - 96))
    return Rule(network, port)


def parse_sockaddr(data: bytes) -> tuple[Address, int] | None:
    """Address and port of a sockaddr_in or sockaddr_in6, ::ffff:a.b.c.d as a.b.c.d; None for all else.

    AF_UNSPEC is None too: Linux reads it as AF_INET in places (net/ipv4/udp.c), and then it would pass undecided.
    """
    if len(data) < 2:
        return None
    family = int.from_bytes(data[:2], "little")  # x86-64's order; aarch64 is the same
    if family == socket.AF_INET and 16 <= len(data) <= 128:
        return IPv4Address(data[4:8]), int.from_bytes(data[2:4], "big")
    if family == socket.AF_INET6 and 28 <= len(data) <= 128:
        address = IPv6Address(data[8:24])
        return address.ipv4_mapped or address, struct.unpack_from(">H", data, 2)[0]
    return None


class Policy:
    """Decisions for one process. audit(event, **fields) records them; what a guest varies is bounded by RECORDS_MAX."""

    def __init__(self, policy: ManifestPolicy, audit: Callable[..., None]) -> None:
        self.memory_bytes = policy.memory_bytes
        self._rules = {"connect": _rules(policy.connect), "bind": _rules(policy.bind)}
        self._audit = audit
        self._recorded: set[tuple[str, ...]] = set()

    def deny(self, name: str, reason: str, **fields: object) -> None:
        """Records a refusal of the syscall `name`, once per process and content."""
        self._record("deny", name, reason, fields)

    def may_reach(self, name: str, address: Address, port: int) -> bool:
        """Whether `network.connect` has a rule for this peer; recorded either way.

        Linux takes 0.0.0.0 and :: for loopback here, so loopback is what the rule must allow.
        """
        if address.is_unspecified:
            address = IPv4Address("127.0.0.1") if address.version == 4 else IPv6Address("::1")
        return self._decide("connect", name, address, port)

    def may_bind(self, name: str, address: Address, port: int) -> bool:
        """Whether `network.bind` has a rule for this local address; port 0 (the kernel chooses) needs port `*`."""
        return self._decide("bind", name, address, port)

    def _decide(self, rules: str, name: str, address: Address, port: int) -> bool:
        allowed = any(rule.matches(address, port) for rule in self._rules[rules])
        reason = f"a rule of network.{rules}" if allowed else f"no rule of network.{rules}"
        self._record("allow" if allowed else "deny", name, reason, {"address": str(address), "port": port})
        return allowed

    def _record(self, event: str, name: str, reason: str, fields: dict[str, object]) -> None:
        key = (event, name, reason, *map(str, fields.values()))
        if key in self._recorded or len(self._recorded) > RECORDS_MAX:
            return
        self._recorded.add(key)
        if len(self._recorded) > RECORDS_MAX:
            self._audit("deny", syscall=name, reason=f"{RECORDS_MAX} distinct decisions: no more are recorded")
            return
        self._audit(event, syscall=name, reason=reason, **fields)


def _rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    return tuple(parse_rule(text) for text in texts)
