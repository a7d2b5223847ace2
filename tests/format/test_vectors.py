"""In: public test vectors of Ed25519 and BLAKE3. Out: C and Python give one verdict on each, and the right one.

The directory of vectors lies beside the checkout and is optional; cases of RFC 8032 and of BLAKE3 are built in.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from recompiler import native
from tests.format.builder import (
    AOT,
    MANIFEST,
    STUB,
    WASM,
    dump,
    elf,
    key,
    lay_out,
    manifest_document,
    small_store,
    wasm,
)
from tests.format.verdicts import OK, signature_accepted, verdict

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"

# RFC 8032, section 7.1: secret, public, message, signature.
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

# BLAKE3 of nothing and of "abc", as b3sum prints them.
BLAKE3 = {
    b"": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    b"abc": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
}


def vectors(name: str) -> Any:
    path = VECTORS / name
    if not path.is_file():
        pytest.skip(f"{name} is not in {VECTORS}: the public vectors are optional, the built-in cases ran")
    return json.loads(path.read_text())


def accepted(rows: list[tuple[str, str, str]]) -> list[bool]:
    """The common verdict on (public key, signature, message) rows in hex."""
    return [signature_accepted(bytes.fromhex(a), bytes.fromhex(s), bytes.fromhex(m)) for a, s, m in rows]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC8032, ids=["empty", "1 byte", "2 bytes"])
def test_rfc_8032_signatures_are_accepted_and_their_neighbours_refused(
    secret: str, public: str, message: str, signature: str
) -> None:
    a, m, s = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert signature_accepted(a, s, m)
    assert not signature_accepted(a, s, m + b"\0")
    for bit in range(512):
        flipped = bytearray(s)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not signature_accepted(a, bytes(flipped), m), f"bit {bit}"


def test_wycheproof_gets_151_of_151_right() -> None:
    suite = vectors("ed25519-wycheproof.json")
    rows = [(group["publicKey"]["pk"], test) for group in suite["testGroups"] for test in group["tests"]]
    assert len(rows) == 151
    found = accepted([(public, test["sig"], test["msg"]) for public, test in rows])
    wrong = [test["tcId"] for (_, test), good in zip(rows, found, strict=True) if good != (test["result"] == "valid")]
    print(f"\nwycheproof: {Counter(found)}")
    assert wrong == []


def test_cctv_accepts_the_one_vector_without_any_low_order_component() -> None:
    suite = vectors("ed25519-cctv.json")
    assert len(suite) == 914
    found = accepted([(row["key"], row["sig"], row["msg"].encode().hex()) for row in suite])
    kept = [row for row, good in zip(suite, found, strict=True) if good]
    assert len(kept) == 1
    assert not kept[0]["flags"]


def test_speccheck_accepts_none_of_12() -> None:
    suite = vectors("ed25519-speccheck.json")
    assert len(suite) == 12
    assert accepted([(row["pub_key"], row["signature"], row["message"]) for row in suite]) == [False] * 12


def file_with_aot(data: bytes, digest: bytes) -> bytes:
    """A signed file whose AOT section is `data`, said to have this BLAKE3: the readers hash it themselves."""
    module = wasm()
    row = {"target": "t", "engine": "e", "settings": "", "blake3": digest.hex(), "size": len(data)}
    manifest = dump(manifest_document(module, aot=[row]))
    file = lay_out([(STUB, elf()), (WASM, module), (MANIFEST, manifest), (AOT, data)])
    file.statement.slots[3].digest = digest
    return file.signed(key(0))


def assert_both_readers_hash(data: bytes, expected: str) -> None:
    digest = bytes.fromhex(expected)[:32]
    assert blake3(data).digest() == digest
    assert native.blake3(data) == digest
    if data:  # a section is never empty, so this input reaches no reader
        assert verdict(file_with_aot(data, digest), small_store()) == OK
        wrong = bytes([digest[0] ^ 1]) + digest[1:]
        assert verdict(file_with_aot(data, wrong), small_store()) == "E_DIGEST"


@pytest.mark.parametrize("data", BLAKE3, ids=["empty", "abc"])
def test_blake3_of_the_built_in_inputs(data: bytes) -> None:
    assert_both_readers_hash(data, BLAKE3[data])


def test_blake3_of_all_public_vectors() -> None:
    cases = vectors("blake3.json")["cases"]
    assert len(cases) == 35
    pattern = bytes(range(251))
    for case in cases:
        size = case["input_len"]
        assert_both_readers_hash((pattern * (size // 251 + 1))[:size], case["hash"])
