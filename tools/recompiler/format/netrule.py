"""Network rules of the manifest: text such as `10.0.0.0/8:443` or `[2001:db8::1]:*` in, a rule that can match out."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_RULE = re.compile(
    r"(?:\*|(?P<v4>[0-9.]{7,15}(?:/(?:0|[1-9][0-9]?))?)|\[(?P<v6>[0-9a-fA-F:.]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?)\])"
    r":(?:\*|(?P<port>[1-9][0-9]{0,4}))",
)


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """network None is every address, port None every port."""

    network: Network | None
    port: int | None

    def matches(self, address: Address, port: int) -> bool:
        """Says whether the rule covers this address and port; families never match each other."""
        if self.port is not None and self.port != port:
            return False
        return self.network is None or (self.network.version == address.version and address in self.network)


def parse(text: str) -> NetworkRule | None:
    """The rule that text spells, or None when it spells none."""
    match = _RULE.fullmatch(text)
    if match is None:
        return None
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port > 65535:
        return None
    try:
        if match["v4"] is not None:
            return NetworkRule(ipaddress.IPv4Network(match["v4"], strict=False), port)
        if match["v6"] is not None:
            return NetworkRule(ipaddress.IPv6Network(match["v6"], strict=False), port)
    except ValueError:
        return None
    return NetworkRule(None, port)
