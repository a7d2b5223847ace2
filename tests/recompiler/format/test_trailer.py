"""In: statements and footers. Out: what the writer makes is what docs/format.md and the tests' own builder make."""

from __future__ import annotations

import pytest

from recompiler.errors import Error
from recompiler.format import records, trailer
from recompiler.format.source import BytesSource
from recompiler.format.trailer import EXECUTABLE, MANIFEST, STUB, WASM
from tests.format import builder as b


def sections() -> tuple[trailer.Section, ...]:
    return trailer.lay_out(EXECUTABLE, [(STUB, 129, b"s" * 32), (WASM, 16, b"w" * 32), (MANIFEST, 1, b"m" * 32)])


def test_sections_begin_at_multiples_of_16() -> None:
    assert [(s.offset, s.size) for s in sections()] == [(0, 129), (144, 16), (160, 1)]


def test_the_writer_makes_the_bytes_of_the_page() -> None:
    file = b.executable()
    slots = [trailer.Section(s.type, s.offset, s.size, s.digest) for s in file.statement.slots[:3]]
    made = trailer.build_statement(
        kind=EXECUTABLE, subject=b.SUBJECT, sections=slots, signed_at=b.SIGNED_AT, security_version=1
    )
    assert made.raw == file.statement.pack()
    record = records.sign(b.key(0).seed, made.raw)
    assert file.body + made.raw + records.build([record]) + trailer.build_footer(1, len(file.body)) == b.small()


def test_reading_gives_back_what_was_written() -> None:
    footer, statement = trailer.parse(BytesSource(b.small()))
    assert (footer.sig_count, footer.statement_off) == (1, len(b.executable().body))
    assert (statement.subject, statement.signed_at, statement.security_version) == (b.SUBJECT, b.SIGNED_AT, 1)
    assert [s.name for s in statement.sections] == ["STUB", "WASM", "MANIFEST"]
    assert statement.section(trailer.AOT) is None


def test_records_are_written_in_the_order_of_their_ids() -> None:
    made = records.build([records.sign(b.key(n).seed, bytes(384)) for n in range(8)])
    ids = [made[at + 16 : at + 48] for at in range(0, len(made), 112)]
    assert ids == sorted(ids)
    assert len(made) == 8 * 112


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject": "Demo"}, "E_SUBJECT"),
        ({"subject": "a" * 64}, "E_SUBJECT"),
        ({"subject": "a" * 100}, "E_SUBJECT"),
        ({"subject": "a\0"}, "E_SUBJECT"),
        ({"subject": "\u00e9"}, "E_SUBJECT"),
        ({"signed_at": 1577836799}, "E_TIME"),
        ({"signed_at": 2**40 + 1}, "E_TIME"),
        ({"signed_at": -1}, "E_USAGE"),
        ({"expires_at": b.SIGNED_AT}, "E_TIME"),
        ({"expires_at": 2**64}, "E_USAGE"),
        ({"signer_count": 0}, "E_SIGNERS"),
        ({"signer_count": 9}, "E_SIGNERS"),
        ({"signer_count": 65536}, "E_USAGE"),
        ({"security_version": -1}, "E_USAGE"),
    ],
    ids=str,
)
def test_the_writer_refuses_what_no_reader_takes(fields: dict[str, object], code: str) -> None:
    right = {"kind": EXECUTABLE, "subject": b.SUBJECT, "sections": sections(), "signed_at": b.SIGNED_AT}
    assert trailer.build_statement(**right)  # type: ignore[arg-type]
    with pytest.raises(Error) as caught:
        trailer.build_statement(**right | fields)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_release_is_named_by_its_statement_alone() -> None:
    one = trailer.parse(BytesSource(b.executable().signed(b.key(0))))[1]
    other = trailer.parse(BytesSource(b.executable().signed(b.key(1))))[1]
    assert one.release_id == other.release_id
