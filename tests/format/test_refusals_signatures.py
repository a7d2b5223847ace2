"""In: signatures, keys and trust that are wrong in one named way. Out: the code of each, from both readers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3

from tests.format import builder as b
from tests.format import edwards
from tests.format.builder import NOW, SIGNED_AT, Record, executable, key, key_row, small_store, store
from tests.format.verdicts import OK, point_accepted, signature_accepted, verdict

STATEMENT = executable().statement.pack()
SECRET = edwards.secret_scalar(key(0).seed)


def recorded(signature: bytes, owner: b.Key | None = None, **fields: Any) -> bytes:
    """The small file with this signature in the record of key(0)."""
    file = executable()
    file.records = [Record((owner or key(0)).id, signature, **fields)]
    return file.pack()


def signed_over(message: bytes) -> Callable[[], bytes]:
    return lambda: recorded(key(0).sign(message))


def two_records(change: Callable[[list[Record]], list[Record]], signers: int = 2) -> Callable[[], bytes]:
    """A file of two signatures, its records changed."""

    def make() -> bytes:
        file = executable(signer_count=signers).sign(key(0), key(1))
        return replace(file, records=change(file.records)).pack()

    return make


def ed25519ph() -> bytes:
    prehashed = hashlib.sha512(STATEMENT).digest()
    return recorded(edwards.sign(SECRET, key(0).public, prehashed, 12345, prefix=edwards.dom2(1, b"")))


def ed25519ctx() -> bytes:
    return recorded(edwards.sign(SECRET, key(0).public, STATEMENT, 12345, prefix=edwards.dom2(0, b"context")))


def other_domain() -> bytes:
    statement = b.with_statement(executable(), domain=b"recompiler/other/v1".ljust(32, b"\0")).statement
    return recorded(key(0).sign(statement.pack()))


def s_plus_l() -> bytes:
    good = key(0).sign(STATEMENT)
    return good[:32] + (int.from_bytes(good[32:], "little") + edwards.L).to_bytes(32, "little")


RECORDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "S + L": (lambda: recorded(s_plus_l()), "E_SIG_INVALID"),
    "S of 2^256 - 1": (lambda: recorded(key(0).sign(STATEMENT)[:32] + b"\xff" * 32), "E_SIG_INVALID"),
    "a zero signature": (lambda: recorded(bytes(64)), "E_SIG_INVALID"),
    "Ed25519ph": (ed25519ph, "E_SIG_INVALID"),
    "Ed25519ctx": (ed25519ctx, "E_SIG_INVALID"),
    "a signature over BLAKE3 of the statement": (signed_over(blake3(STATEMENT).digest()), "E_SIG_INVALID"),
    "a signature over SHA-512 of the statement": (signed_over(hashlib.sha512(STATEMENT).digest()), "E_SIG_INVALID"),
    "a signature over the statement in hex": (signed_over(STATEMENT.hex().encode()), "E_SIG_INVALID"),
    "a signature over the statement and a newline": (signed_over(STATEMENT + b"\n"), "E_SIG_INVALID"),
    "a signature over another domain": (other_domain, "E_SIG_INVALID"),
    "a signature over the statement without its slots": (signed_over(STATEMENT[:128]), "E_SIG_INVALID"),
    "algorithm 0": (lambda: recorded(key(0).sign(STATEMENT), alg=0), "E_SIG_ALG"),
    "algorithm 2": (lambda: recorded(key(0).sign(STATEMENT), alg=2), "E_SIG_ALG"),
    "algorithm 2^24 + 1": (lambda: recorded(key(0).sign(STATEMENT), alg=(1 << 24) + 1), "E_SIG_ALG"),
    "a record twice": (two_records(lambda r: [r[0], r[0]]), "E_SIG_ORDER"),
    "records swapped": (two_records(lambda r: r[::-1]), "E_SIG_ORDER"),
    "one key twice, two signatures": (
        two_records(lambda r: [r[0], replace(r[0], signature=edwards.sign(SECRET, key(0).public, STATEMENT, 9))]),
        "E_SIG_ORDER",
    ),
    "a record stripped": (two_records(lambda r: r[:1]), "E_SIGNERS"),
    "a junk record added": (two_records(lambda r: [*r, Record(b"\xff" * 32, bytes(64))]), "E_SIGNERS"),
    "signed by another key under this id": (lambda: recorded(key(1).sign(STATEMENT)), "E_SIG_INVALID"),
    "signed by this key under another id": (lambda: recorded(key(0).sign(STATEMENT), key(1)), "E_KEY_UNKNOWN"),
    "an id of zeros": (lambda: replace(executable(), records=[Record(bytes(32), bytes(64))]).pack(), "E_KEY_UNKNOWN"),
    "signed by an unknown key": (lambda: executable().signed(key(1)), "E_KEY_UNKNOWN"),
}


@pytest.mark.parametrize(("file", "code"), RECORDS.values(), ids=RECORDS.keys())
def test_record_is_refused(file: Callable[[], bytes], code: str) -> None:
    assert verdict(file(), small_store()) == code


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    good = key(0).sign(STATEMENT)
    for bit in range(512):
        bent = bytearray(good)
        bent[bit // 8] ^= 1 << bit % 8
        assert verdict(recorded(bytes(bent)), small_store()) == "E_SIG_INVALID", f"bit {bit}"


def test_every_reserved_bit_of_a_record_is_refused() -> None:
    for bit in range(96):
        reserved = (1 << bit).to_bytes(12, "little")
        assert verdict(recorded(key(0).sign(STATEMENT), reserved=reserved), small_store()) == "E_RESERVED", f"bit {bit}"


# ---- points: each of these is a signature that some library in use accepts

LOW_ORDER = edwards.low_order_encodings()


def test_the_torsion_points_are_eight_and_their_lax_encodings_fourteen() -> None:
    points = edwards.torsion()
    assert len(set(points)) == 8
    assert all(edwards.multiply(8, point) == edwards.IDENTITY for point in points)
    assert len(set(LOW_ORDER.values())) == 14


@pytest.mark.parametrize("encoding", LOW_ORDER.values(), ids=LOW_ORDER.keys())
def test_a_low_order_public_key_makes_the_store_unusable(encoding: bytes) -> None:
    assert verdict(executable().signed(), store([key_row(encoding)])) == "E_KEYS_POINT"
    assert not point_accepted(encoding)


@pytest.mark.parametrize("encoding", LOW_ORDER.values(), ids=LOW_ORDER.keys())
def test_a_low_order_r_is_refused(encoding: bytes) -> None:
    signature = edwards.sign(SECRET, key(0).public, STATEMENT, 0, encoding)
    assert verdict(recorded(signature), small_store()) == "E_SIG_INVALID"


@pytest.mark.parametrize("encoding", [e for n, e in LOW_ORDER.items() if edwards.decode(e) == edwards.IDENTITY])
def test_the_gate_and_not_the_equation_refuses_r_of_the_identity(encoding: bytes) -> None:
    signature = edwards.sign(SECRET, key(0).public, STATEMENT, 0, encoding)
    assert edwards.holds_without_cofactor(key(0).public, signature, STATEMENT)
    assert not signature_accepted(key(0).public, signature, STATEMENT)


@pytest.mark.parametrize("k", range(1, 8))
def test_a_mixed_order_public_key_makes_the_store_unusable(k: int) -> None:
    mixed = edwards.encode(edwards.add(edwards.multiply(SECRET, edwards.BASE), edwards.torsion()[k]))
    assert verdict(executable().signed(), store([key_row(mixed)])) == "E_KEYS_POINT"
    # The equation can hold all the same: a nonce whose challenge is 0 modulo 8 makes the torsion vanish.
    nonces = (edwards.sign(SECRET, mixed, STATEMENT, r) for r in range(1, 200))
    signature = next(s for s in nonces if edwards.challenge(s[:32], mixed, STATEMENT) % 8 == 0)
    assert edwards.holds_without_cofactor(mixed, signature, STATEMENT)
    assert not signature_accepted(mixed, signature, STATEMENT)


@pytest.mark.parametrize("k", range(1, 8))
def test_a_mixed_order_r_is_refused(k: int) -> None:
    """8 S B = 8 R + 8 k A holds: what a verifier with the cofactor accepts."""
    r = edwards.encode(edwards.add(edwards.multiply(777, edwards.BASE), edwards.torsion()[k]))
    signature = edwards.sign(SECRET, key(0).public, STATEMENT, 777, r)
    assert verdict(recorded(signature), small_store()) == "E_SIG_INVALID"


def test_a_mixed_order_a_and_r_whose_torsions_cancel_are_refused() -> None:
    point = edwards.torsion()[1]
    mixed = edwards.encode(edwards.add(edwards.multiply(SECRET, edwards.BASE), point))
    for nonce in range(1, 200):
        r = edwards.encode(edwards.add(edwards.multiply(nonce, edwards.BASE), point))
        if edwards.challenge(r, mixed, STATEMENT) % 8 == 7:
            signature = edwards.sign(SECRET, mixed, STATEMENT, nonce, r)
            assert edwards.holds_without_cofactor(mixed, signature, STATEMENT)
            assert not signature_accepted(mixed, signature, STATEMENT)
            return
    pytest.fail("one nonce of eight gives such a challenge")


NONCANONICAL = edwards.noncanonical()


@pytest.mark.parametrize("encoding", NONCANONICAL.values(), ids=NONCANONICAL.keys())
def test_a_point_with_y_of_p_or_more_is_refused(encoding: bytes) -> None:
    assert edwards.decode(encoding) is not None
    assert not point_accepted(encoding)
    assert verdict(executable().signed(), store([key_row(encoding)])) == "E_KEYS_POINT"
    assert verdict(recorded(encoding + bytes(32)), small_store()) == "E_SIG_INVALID"


def test_a_string_that_is_no_point_is_refused() -> None:
    assert not point_accepted(edwards.not_on_curve())
    assert verdict(executable().signed(), store([key_row(edwards.not_on_curve())])) == "E_KEYS_POINT"


def test_multiples_of_the_base_point_are_accepted() -> None:
    for n in (1, 2, 3, 8, edwards.L - 1):
        assert point_accepted(edwards.encode(edwards.multiply(n, edwards.BASE)))
    assert not point_accepted(edwards.encode(edwards.multiply(edwards.L, edwards.BASE)))


# ---- trust: which keys count


def rows(*fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [key_row(key(n), n, **more) for n, more in enumerate(fields)]


# name: (keys that sign, fields of the store's rows, fields of the store, now, code)
TRUST: dict[str, tuple[tuple[int, ...], list[dict[str, Any]], dict[str, Any], int, str]] = {
    "a revoked key": ((0,), [{"status": "revoked"}, {}], {}, NOW, "E_KEY_REVOKED"),
    "a key that is over": ((0,), [{"not_after": NOW}], {}, NOW, "E_KEY_EXPIRED"),
    "a key in its last second": ((0,), [{"not_after": NOW + 1}], {}, NOW, OK),
    "a key not yet valid": ((0,), [{"not_before": NOW + 1}], {}, NOW, "E_KEY_NOT_YET"),
    "a key in its first second": ((0,), [{"not_before": NOW}], {}, NOW, OK),
    "a retired key, signed in its time": ((0,), [{"status": "retired", "not_after": NOW - 1}], {}, NOW, OK),
    "a retired key, signed after its time": (
        (0,),
        [{"status": "retired", "not_after": SIGNED_AT}],
        {},
        NOW,
        "E_KEY_EXPIRED",
    ),
    "a retired key, signed before its time": (
        (0,),
        [{"status": "retired", "not_before": SIGNED_AT + 1}],
        {},
        NOW,
        "E_KEY_NOT_YET",
    ),
    "a key of the wrong role": ((0,), [{"role": "dev"}], {}, NOW, "E_KEY_ROLE"),
    "revoked and of the wrong role": ((0,), [{"status": "revoked", "role": "dev"}, {}], {}, NOW, "E_KEY_REVOKED"),
    "over and of the wrong role": ((0,), [{"not_after": NOW, "role": "dev"}], {}, NOW, "E_KEY_EXPIRED"),
    "unknown and revoked": ((0, 3), [{"status": "revoked"}, {}], {}, NOW, "E_KEY_REVOKED"),
    "unknown and of the wrong role": ((0, 3), [{"role": "dev"}], {}, NOW, "E_KEY_ROLE"),
    "over and revoked": ((0, 1), [{"not_after": NOW}, {"status": "revoked"}], {}, NOW, "E_KEY_REVOKED"),
    "of the wrong role and not yet valid": (
        (0, 1),
        [{"role": "dev"}, {"not_before": NOW + 1}],
        {},
        NOW,
        "E_KEY_NOT_YET",
    ),
    "one good, one unknown": ((0, 3), [{}], {}, NOW, OK),
    "one good, one revoked": ((0, 1), [{}, {"status": "revoked"}], {}, NOW, OK),
    "threshold 2, one good": ((0,), [{}, {}], {"threshold": 2}, NOW, "E_THRESHOLD"),
    "threshold 2, one good, one unknown": ((0, 3), [{}, {}], {"threshold": 2}, NOW, "E_THRESHOLD"),
    "threshold 2, one good, one over": ((0, 1), [{}, {"not_after": NOW}], {"threshold": 2}, NOW, "E_THRESHOLD"),
    "threshold 2, two good": ((0, 1), [{}, {}], {"threshold": 2}, NOW, OK),
    "threshold 2, none good": ((3,), [{}, {}], {"threshold": 2}, NOW, "E_KEY_UNKNOWN"),
    "a subject that is not the key's": ((0,), [{"subjects": ["other/*"]}], {}, NOW, "E_SUBJECT_DENIED"),
    "a pattern that is a prefix without /*": ((0,), [{"subjects": ["demo"]}], {}, NOW, "E_SUBJECT_DENIED"),
    "a pattern of half a component": ((0,), [{"subjects": ["demo/hell/*"]}], {}, NOW, "E_SUBJECT_DENIED"),
    "a pattern below the subject": ((0,), [{"subjects": ["demo/hello/*"]}], {}, NOW, "E_SUBJECT_DENIED"),
    "the subject itself": ((0,), [{"subjects": ["demo/hello"]}], {}, NOW, OK),
    "every subject": ((0,), [{"subjects": ["*"]}], {}, NOW, OK),
    "threshold 2, one of two may sign it": (
        (0, 1),
        [{}, {"subjects": ["x/*"]}],
        {"threshold": 2},
        NOW,
        "E_SUBJECT_DENIED",
    ),
    "threshold 1, one of two may sign it": ((0, 1), [{}, {"subjects": ["x/*"]}], {}, NOW, OK),
    "below the minimum": (
        (0,),
        [{}],
        {"minimum": [{"subject": "demo/hello", "security_version": 2}]},
        NOW,
        "E_ROLLBACK",
    ),
    "a minimum of another subject": (
        (0,),
        [{}],
        {"minimum": [{"subject": "demo/hell", "security_version": 2}]},
        NOW,
        OK,
    ),
    "no minimum": ((0,), [{}], {"minimum": []}, NOW, OK),
    "rolled back and denied": (
        (0,),
        [{"subjects": ["x"]}],
        {"minimum": [{"subject": "demo/hello", "security_version": 2}]},
        NOW,
        "E_ROLLBACK",
    ),
    "a clock before 2020": ((0,), [{"not_before": 0}], {}, 1577836799, "E_CLOCK"),
    "a clock of 0": ((0,), [{"not_before": 0}], {}, 0, "E_CLOCK"),
    "a clock 301 seconds behind the signature": ((0,), [{}], {}, SIGNED_AT - 301, "E_CLOCK"),
    "a clock 300 seconds behind the signature": ((0,), [{}], {}, SIGNED_AT - 300, OK),
}


@pytest.mark.parametrize(("signers", "fields", "more", "now", "code"), TRUST.values(), ids=TRUST.keys())
def test_trust(
    signers: tuple[int, ...], fields: list[dict[str, Any]], more: dict[str, Any], now: int, code: str
) -> None:
    file = executable(signer_count=len(signers)).signed(*(key(n) for n in signers))
    assert verdict(file, store(rows(*fields), **more), now) == code


def test_one_good_and_one_bad_signature_of_trusted_keys_is_refused() -> None:
    for bad in (0, 1):
        file = executable(signer_count=2).sign(key(0), key(1))
        file.records[bad].signature = bytes([file.records[bad].signature[0] ^ 1]) + file.records[bad].signature[1:]
        assert verdict(file.pack(), store(rows({}, {}))) == "E_SIG_INVALID"


def test_a_bad_signature_of_a_key_that_does_not_count_is_not_looked_at() -> None:
    file = executable(signer_count=2).sign(key(0), key(1))
    for record in file.records:
        if record.key_id == key(1).id:
            record.signature = bytes(64)
    assert verdict(file.pack(), store(rows({}))) == OK
    assert verdict(file.pack(), store(rows({}, {"status": "revoked"}))) == OK


def test_a_threshold_of_two_is_not_met_by_one_key_under_two_labels() -> None:
    twice = [key_row(key(0), 0), key_row(key(0), 1)]
    assert verdict(executable().signed(), store(twice, threshold=2)) == "E_KEYS_DUPLICATE"
    renamed = [key_row(key(0), 0), key_row(key(0), 1, id=key(1).id.hex())]
    assert verdict(executable().signed(), store(renamed, threshold=2)) == "E_KEYS_ID"
