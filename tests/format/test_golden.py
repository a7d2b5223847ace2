"""A signed file of version 1 and its key, as they were committed: what was verified once verifies for ever.

assets/small-v1 is builder.small() signed with the key of RFC 8032's first test, whose public half is keys/example.pub.
"""

from __future__ import annotations

from recompiler.signing import keyfile
from tests.format import builder
from tests.format.verdicts import verdict
from tests.testbed import ROOT

# RFC 8032, section 7.1, TEST 1: a private key that everybody knows.
RFC_8032 = builder.Key(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
GOLDEN = ROOT / "tests" / "format" / "assets" / "small-v1"


def test_the_committed_public_key_is_the_one_of_the_rfc() -> None:
    assert keyfile.read_public(ROOT / "keys" / "example.pub").public == RFC_8032.public


def test_the_committed_file_still_verifies() -> None:
    pubkeys = builder.store([builder.key_row(RFC_8032, role="release")])
    assert verdict(GOLDEN.read_bytes(), pubkeys) == "OK"


def test_the_builder_still_makes_the_committed_file() -> None:
    assert builder.executable().signed(RFC_8032) == GOLDEN.read_bytes()
