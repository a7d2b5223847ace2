"""In: files wrong in one named way, signed again where an attacker with a key could. Out: the code of each.

The rows are those of footer, statement and content; test_refusals_*.py have signatures, key store, manifest and files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.format import builder as b
from tests.format.builder import AOT, MANIFEST, STUB, WASM, executable, key, small, small_store
from tests.format.verdicts import OK, verdict

Row = tuple[Callable[[], bytes], str]


def refused(rows: dict[str, Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("file", "code"), rows.values(), ids=rows.keys())


# ---- footer


def footer(**fields: Any) -> Callable[[], bytes]:
    """The small file, its footer wrong; a footer is not signed."""
    return lambda: replace(executable().sign(), **fields).pack()


def trailing(size: int) -> Callable[[], bytes]:
    return lambda: small() + bytes(size)


def two_programs() -> tuple[b.File, b.File]:
    """Two signed files of the same layout that differ in the stub's code."""
    return executable().sign(), executable(stub=b.elf(code=b"\xb8\x3c\0\0\0\x31\xff\x0f\x04")).sign()


def with_own_footer(front: bytes, file: b.File) -> bytes:
    """Bytes in front of a file, the footer's offset repaired."""
    return replace(file, body=front + file.body).pack()


def embedded(text: bytes) -> tuple[bytes, bytes]:
    """A module and a manifest that hold these bytes."""
    module = b.wasm([1, 2, 3, 5, 7, 10, 0], s0=b.text("note") + text)
    entry = {"entry": 0, "export": text.decode(), "kind": "wasi", "paths": ["/" + text.decode()]}
    return module, b.dump(b.manifest_document(module, entries={"0" * 64: entry}))


FOOTER: dict[str, Row] = {
    "a plain ELF": (b.elf, "E_NO_TRAILER"),
    "32 zero bytes": (lambda: bytes(32), "E_NO_TRAILER"),
    "a stripped app of a trailer's size": (lambda: bytes(len(small())), "E_NO_TRAILER"),
    **{f"{n} trailing bytes": (trailing(n), "E_TRAILING_DATA") for n in (1, 15, 16, 31, 32, 37, 4096, 65000, 65520)},
    "more trailing bytes than the window": (lambda: small() + bytes(65521), "E_NO_TRAILER"),
    "a newline at the end": (lambda: small() + b"\n", "E_TRAILING_DATA"),
    "the magic in lower case": (footer(magic=b.MAGIC.lower()), "E_NO_TRAILER"),
    "another version of the trailer": (footer(magic=b"RCMPLR-TRAILER-2"), "E_TRAILER_VERSION"),
    "another version after an old trailer": (lambda: small() + b"RCMPLR-TRAILER-2", "E_TRAILER_VERSION"),
    "the magic alone, twice": (lambda: b.MAGIC * 2, "E_SIG_COUNT"),
    "one byte in front": (lambda: b"\0" + small(), "E_STATEMENT_OFFSET"),
    "16 bytes in front": (lambda: bytes(16) + small(), "E_STATEMENT_OFFSET"),
    "16 bytes in front, footer repaired": (lambda: with_own_footer(bytes(16), executable().sign()), "E_PADDING"),
    "8 bytes in front, footer repaired": (lambda: with_own_footer(bytes(8), executable().sign()), "E_ALIGN"),
    "a #! line in front, footer repaired": (
        lambda: with_own_footer(b"#!/bin/sh\nid\n#xx", executable().sign()),
        "E_PADDING",
    ),
    "the file twice": (lambda: small() * 2, "E_STATEMENT_OFFSET"),
    "the file twice, footer repaired": (lambda: with_own_footer(small(), executable().sign()), "E_LAYOUT"),
    "another signed file in front": (lambda: two_programs()[1].pack() + small(), "E_STATEMENT_OFFSET"),
    "the footer of a longer file": (
        lambda: small()[:-32] + executable(aot=bytes(32)).signed()[-32:],
        "E_STATEMENT_OFFSET",
    ),
    "the statement of another file": (
        lambda: replace(two_programs()[0], statement=two_programs()[1].statement).pack(),
        "E_SIG_INVALID",
    ),
    "the records of another file": (
        lambda: replace(two_programs()[0], records=two_programs()[1].records).pack(),
        "E_SIG_INVALID",
    ),
    "statement and records of another file": (
        lambda: replace(two_programs()[1], body=two_programs()[0].body).pack(),
        "E_DIGEST",
    ),
    **{f"sig_count {n}": (footer(sig_count=n), "E_SIG_COUNT") for n in (9, 1 << 31, (1 << 32) - 1)},
    **{f"sig_count {n}, one record": (footer(sig_count=n), "E_STATEMENT_OFFSET") for n in (0, 2, 7)},
    "sig_count 8, more than fit": (footer(sig_count=8), "E_TRUNCATED"),
    "a footer and nothing else": (lambda: struct.pack("<IIQ", 0, 384, 0) + b.MAGIC, "E_TRUNCATED"),
    "one byte less than the trailer": (lambda: bytes(383) + struct.pack("<IIQ", 0, 384, 0) + b.MAGIC, "E_TRUNCATED"),
    **{f"statement_size {n}": (footer(statement_size=n), "E_STATEMENT_SIZE") for n in (0, 383, 385, (1 << 32) - 1)},
    **{f"statement_off {n}": (footer(statement_off=n), "E_STATEMENT_OFFSET") for n in (0, -1, 1 << 63, (1 << 64) - 16)},
    "statement_off 16 more": (lambda: footer(statement_off=len(executable().body) + 16)(), "E_STATEMENT_OFFSET"),
    "statement_off 16 less": (lambda: footer(statement_off=len(executable().body) - 16)(), "E_STATEMENT_OFFSET"),
}


@refused(FOOTER)
def test_footer_is_refused(file: Callable[[], bytes], code: str) -> None:
    assert verdict(file(), small_store()) == code


@pytest.mark.parametrize("size", range(32))
def test_a_file_of_less_than_32_bytes_is_too_small(size: int) -> None:
    assert verdict(small()[:size], small_store()) == "E_TOO_SMALL"
    assert verdict(small()[-size:] if size else b"", small_store()) == "E_TOO_SMALL"


@pytest.mark.parametrize("text", [b.MAGIC, b.MAGIC * 40, b"RCMPLR-TRAILER-2"], ids=["once", "40 times", "version 2"])
def test_the_magic_inside_sections_changes_nothing(text: bytes) -> None:
    module, manifest = embedded(text[:200])
    assert verdict(executable(module=module, manifest=manifest).signed(), small_store()) == OK


def test_the_magic_inside_sections_does_not_explain_a_cut_file() -> None:
    """A found MAGIC explains: the file cut before its trailer is E_TRAILING_DATA, and still refused."""
    module, manifest = embedded(b.MAGIC)
    file = executable(module=module, manifest=manifest).sign()
    assert verdict(file.body, small_store()) == "E_TRAILING_DATA"


# ---- statement


def statement(**fields: Any) -> Callable[[], bytes]:
    """The small file with these fields in its statement, signed so."""
    return lambda: b.with_statement(executable(), **fields).signed()


def slot(index: int, **fields: Any) -> Callable[[], bytes]:
    return lambda: b.with_slot(executable(), index, **fields).signed()


def types(*wanted: int) -> Callable[[], bytes]:
    """The small file, its slots of these types in this order."""

    def make() -> bytes:
        file = executable(aot=bytes(16) if len(wanted) == 4 else None)
        for index, type_ in enumerate(wanted):
            file.statement.slots[index].type = type_
        return file.signed()

    return make


def subject(raw: bytes) -> Callable[[], bytes]:
    return statement(subject=raw.ljust(64, b"\0"))


def domain(raw: bytes) -> Callable[[], bytes]:
    return statement(domain=raw.ljust(32, b"\0"))


def manifest_only(kind: int, count: int) -> Callable[[], bytes]:
    def make() -> bytes:
        file, _ = b.detached()
        return b.with_statement(file, kind=kind, section_count=count).signed()

    return make


LIMITS = {STUB: 64 << 20, WASM: 1 << 30, MANIFEST: 64 << 20, AOT: 16 << 30}

STATEMENT: dict[str, Row] = {
    "an empty domain": (domain(b""), "E_DOMAIN"),
    "the domain of version 2": (domain(b"recompiler/trailer/v2"), "E_DOMAIN"),
    "the domain of key ids": (domain(b.KEYID_DOMAIN), "E_DOMAIN"),
    "a domain with bytes after its NUL": (domain(b.DOMAIN + b"\0x"), "E_DOMAIN"),
    "version 0": (statement(version=0), "E_VERSION"),
    "version 2": (statement(version=2), "E_VERSION"),
    "version 257": (statement(version=257), "E_VERSION"),
    "kind 0": (statement(kind=0), "E_KIND"),
    "kind 3": (statement(kind=3), "E_KIND"),
    "kind 2 with a body": (statement(kind=2), "E_KIND"),
    "kind 1 without a body": (manifest_only(1, 3), "E_SECTION_TYPE"),
    **{f"section_count {n}": (statement(section_count=n), "E_SECTION_COUNT") for n in (0, 1, 2, 5, 65535)},
    "kind 2, section_count 1": (manifest_only(2, 1), "E_SECTION_COUNT"),
    "kind 2, section_count 5": (manifest_only(2, 5), "E_SECTION_COUNT"),
    "kind 2, section_count 4": (
        lambda: b.with_statement(b.detached(aot=bytes(16))[0], section_count=4).signed(),
        "E_SECTION_TYPE",
    ),
    "section_count 4, three sections": (statement(section_count=4), "E_SECTION_TYPE"),
    "section_count 3, four sections": (lambda: executable(aot=bytes(16), section_count=3).signed(), "E_RESERVED"),
    "signer_count 0": (statement(signer_count=0), "E_SIGNERS"),
    "signer_count 9": (statement(signer_count=9), "E_SIGNERS"),
    "signer_count 2, one record": (statement(signer_count=2), "E_SIGNERS"),
    "a record stripped": (lambda: executable(signer_count=2).signed(key(0)), "E_SIGNERS"),
    "a record added": (lambda: executable(signer_count=1).signed(key(0), key(1)), "E_SIGNERS"),
    "all records stripped": (lambda: executable().pack(), "E_UNSIGNED"),
    "all records stripped, signer_count 0": (lambda: executable(signer_count=0).pack(), "E_SIGNERS"),
    "signed_at 0": (statement(signed_at=0), "E_TIME"),
    "signed_at before 2020": (statement(signed_at=1577836799), "E_TIME"),
    "signed_at after 2^40": (statement(signed_at=(1 << 40) + 1), "E_TIME"),
    "signed_at -1": (statement(signed_at=-1), "E_TIME"),
    "expires_at = signed_at": (statement(expires_at=b.SIGNED_AT), "E_TIME"),
    "expires_at before signed_at": (statement(expires_at=1), "E_TIME"),
    "expired": (statement(expires_at=b.NOW - 1), "E_EXPIRED"),
    "expires this second": (statement(expires_at=b.NOW), "E_EXPIRED"),
    "signed in the future": (statement(signed_at=b.NOW + 301), "E_CLOCK"),
    "rolled back": (statement(security_version=0), "E_ROLLBACK"),
    **{
        f"subject {raw!r:.40}": (subject(raw), "E_SUBJECT")
        for raw in (
            b"",
            b"/demo",
            b".demo",
            b"-demo",
            b"_demo",
            b"Demo/hello",
            b"demo/Hello",
            b"demo//x",
            b"demo/..",
            b"a..b",
            b"demo hello",
            b"demo\nhello",
            b"demo\0hello",
            b"demo/h\xc3\xa9",
            b"demo*",
            b"demo\\x",
            b"a" * 64,
        )
    },
    "another subject than the manifest's name": (subject(b"demo/other"), "E_MANIFEST_NAME"),
    "a subject of 63 characters that the key may not sign": (subject(b"a" * 63), "E_SUBJECT_DENIED"),
    "WASM before STUB": (types(WASM, STUB, MANIFEST), "E_SECTION_TYPE"),
    "MANIFEST before WASM": (types(STUB, MANIFEST, WASM), "E_SECTION_TYPE"),
    "STUB twice": (types(STUB, STUB, WASM), "E_SECTION_TYPE"),
    "WASM twice": (types(STUB, WASM, WASM), "E_SECTION_TYPE"),
    "AOT in the place of MANIFEST": (types(STUB, WASM, AOT), "E_SECTION_TYPE"),
    "no STUB": (types(WASM, MANIFEST, AOT), "E_SECTION_TYPE"),
    "type 0": (types(STUB, 0, MANIFEST), "E_SECTION_TYPE"),
    "type 5": (types(STUB, WASM, MANIFEST, 5), "E_SECTION_TYPE"),
    "type 2^31": (types(STUB, WASM, 1 << 31), "E_SECTION_TYPE"),
    "STUB not at 0": (slot(0, offset=16), "E_LAYOUT"),
    "an offset near 2^64, so that offset + size wraps": (slot(1, offset=-16), "E_LAYOUT"),
    "a size near 2^64, so that offset + size wraps": (slot(1, size=-16), "E_SECTION_SIZE"),
    "overlap by one byte": (slot(1, offset=b.align16(129) - 1), "E_LAYOUT"),
    "overlap of a whole row": (slot(1, offset=b.align16(129) - 16), "E_LAYOUT"),
    "a gap of one byte": (slot(1, offset=b.align16(129) + 1), "E_LAYOUT"),
    "a gap of 16 bytes": (lambda: spread(16), "E_LAYOUT"),
    "a gap of 4096 bytes": (lambda: spread(4096), "E_LAYOUT"),
    "16 bytes between MANIFEST and the statement": (
        lambda: replace(executable(), body=executable().body + bytes(16)).signed(),
        "E_LAYOUT",
    ),
    "MANIFEST one byte longer than the file has": (
        lambda: b.with_slot(executable(), 2, size=len(executable().body) - 240 + 1).signed(),
        "E_LAYOUT",
    ),
    "a section one byte longer": (slot(0, size=130), "E_DIGEST"),
    "a section one byte shorter": (slot(0, size=128), "E_LAYOUT"),
    **{f"size 0 in slot {i}": (slot(i, size=0), "E_SECTION_SIZE") for i in range(3)},
    **{f"size over the limit in slot {i}": (slot(i, size=LIMITS[i + 1] + 1), "E_SECTION_SIZE") for i in range(3)},
    **{f"size at the limit in slot {i}": (slot(i, size=LIMITS[i + 1]), "E_LAYOUT") for i in range(3)},
    "AOT over the limit": (
        lambda: b.with_slot(executable(aot=bytes(16)), 3, size=LIMITS[AOT] + 1).signed(),
        "E_SECTION_SIZE",
    ),
    "AOT at the limit": (lambda: b.with_slot(executable(aot=bytes(16)), 3, size=LIMITS[AOT]).signed(), "E_LAYOUT"),
    "kind 2 with an offset": (lambda: b.with_slot(b.detached()[0], 1, offset=16).signed(), "E_LAYOUT"),
    "kind 2 with a STUB": (lambda: b.with_slot(b.detached()[0], 0, type=STUB).signed(), "E_SECTION_TYPE"),
    "kind 2 without a WASM": (lambda: b.with_slot(b.detached()[0], 0, type=MANIFEST).signed(), "E_SECTION_TYPE"),
}


def spread(gap: int) -> bytes:
    """Zero bytes between STUB and WASM, the later slots moved along."""
    file = executable()
    for moved in file.statement.slots[1:3]:
        moved.offset += gap
    at = b.align16(129)
    return replace(file, body=file.body[:at] + bytes(gap) + file.body[at:]).signed()


@refused(STATEMENT)
def test_statement_is_refused(file: Callable[[], bytes], code: str) -> None:
    assert verdict(file(), small_store()) == code


def test_every_reserved_bit_of_the_statement_is_refused() -> None:
    file = executable()
    used = [128 + 64 * i + at for i in range(3) for at in (*range(4, 8), *range(24, 32))]
    raw = file.statement.pack()
    for at in [*used, *range(128 + 3 * 64, 384)]:
        for bit in range(8):
            bent = bytearray(raw)
            bent[at] ^= 1 << bit
            record = b.Record(key(0).id, key(0).sign(bytes(bent)))
            data = file.body + bytes(bent) + record.pack() + small()[-32:]
            assert verdict(data, small_store()) == "E_RESERVED", f"byte {at}, bit {bit}"


def test_every_padding_byte_is_checked() -> None:
    file = executable(aot=bytes(5))
    pads = [at for s in file.statement.slots for at in range(s.offset + s.size, b.align16(s.offset + s.size))]
    assert len(pads) > 16
    for at in pads:
        bent = bytearray(file.sign().pack())
        bent[at] = 1
        assert verdict(bytes(bent), small_store()) == "E_PADDING", f"byte {at}"


def test_a_flipped_bit_in_any_section_is_a_wrong_digest() -> None:
    file = executable(aot=b"native code").sign()
    whole = file.pack()
    for s in file.statement.slots:
        for at in range(s.offset, s.offset + s.size):
            bent = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
            assert verdict(bent, small_store()) == "E_DIGEST", f"byte {at}"


def test_contents_of_equal_size_cannot_be_swapped() -> None:
    module = b.wasm()
    file = executable(module=module, aot=module[::-1]).sign()
    wasm_at, aot_at = (file.statement.slots[i].offset for i in (1, 3))
    body = bytearray(file.body)
    size = len(module)
    body[wasm_at : wasm_at + size], body[aot_at : aot_at + size] = module[::-1], module
    assert verdict(file.pack(), small_store()) == OK
    assert verdict(replace(file, body=bytes(body)).pack(), small_store()) == "E_DIGEST"


ACCEPTED: dict[str, Callable[[], bytes]] = {
    "signed_at at its lowest": statement(signed_at=1577836800),
    "signed 300 seconds ahead": statement(signed_at=b.NOW + 300),
    "expires next second": statement(expires_at=b.NOW + 1),
    "expires never, by the largest number": statement(expires_at=(1 << 64) - 1),
    "the largest security version": statement(security_version=(1 << 64) - 1),
    "an aarch64 stub": lambda: executable(stub=b.elf(machine=183)).signed(),
    "a PIE stub": lambda: executable(stub=b.elf(type=3)).signed(),
    "a stub whose size is a multiple of 16": lambda: executable(stub=b.elf(code=bytes(24))).signed(),
    "an AOT section": lambda: executable(aot=b"x").signed(),
    "eight signers": lambda: executable(signer_count=8).signed(*(key(n) for n in range(8))),
}


@pytest.mark.parametrize("file", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_last_right_value_beside_the_wrong_one_is_accepted(file: Callable[[], bytes]) -> None:
    assert verdict(file(), small_store()) == OK


# ---- meaning: stub and module


def module(**sections: Any) -> Callable[[], bytes]:
    return lambda: executable(module=b.wasm(**sections)).signed()


def ordered(*order: int) -> Callable[[], bytes]:
    return lambda: executable(module=b.wasm(order, s12=b"\0", s11=b"\0", s0=b.text("n"))).signed()


def raw_module(data: bytes) -> Callable[[], bytes]:
    return lambda: executable(module=data).signed()


def imports(*rows: bytes) -> Callable[[], bytes]:
    return module(s2=b.vector(rows))


def exports(*rows: tuple[str, int, int]) -> Callable[[], bytes]:
    return module(s7=b.vector(b.text(name) + bytes([kind]) + b.leb(index) for name, kind, index in rows))


WASI = "wasi_snapshot_preview1"
MEANING: dict[str, Row] = {
    "a stub that is no ELF": (lambda: executable(stub=bytes(64)).signed(), "E_STUB_ELF"),
    "a stub of 63 bytes": (lambda: executable(stub=b.elf()[:63]).signed(), "E_STUB_ELF"),
    "a 32-bit stub": (lambda: executable(stub=b.elf(class_=1)).signed(), "E_STUB_ELF"),
    "a big-endian stub": (lambda: executable(stub=b.elf(data=2)).signed(), "E_STUB_ELF"),
    "a relocatable stub": (lambda: executable(stub=b.elf(type=1)).signed(), "E_STUB_ELF"),
    "a core file for a stub": (lambda: executable(stub=b.elf(type=4)).signed(), "E_STUB_ELF"),
    "a stub for i386": (lambda: executable(stub=b.elf(machine=3)).signed(), "E_STUB_ELF"),
    "a byte after the ELF": (lambda: executable(stub=b.elf() + b"\0").signed(), "E_STUB_EXTENT"),
    "a signed file in the stub section": (lambda: executable(stub=small()).signed(), "E_STUB_EXTENT"),
    "a stub cut short": (lambda: executable(stub=b.elf()[:-1]).signed(), "E_STUB_EXTENT"),
    "a module of one byte": (raw_module(b"\0"), "E_WASM_HEADER"),
    "a component": (raw_module(b"\0asm\x0d\0\x01\0"), "E_WASM_HEADER"),
    "an empty module": (raw_module(b.WASM_HEADER), "E_WASM_EXPORT"),
    "bytes after the last section": (raw_module(b.wasm() + b"\0"), "E_WASM_SECTION"),
    "a section id of 13": (raw_module(b.wasm() + b.wasm_section(13, b"")), "E_WASM_SECTION"),
    "a section twice": (ordered(1, 2, 3, 5, 5, 7, 10), "E_WASM_SECTION"),
    "sections out of order": (ordered(2, 1, 3, 5, 7, 10), "E_WASM_SECTION"),
    "data count after code": (ordered(1, 2, 3, 5, 7, 10, 12), "E_WASM_SECTION"),
    "data before code": (ordered(1, 2, 3, 5, 7, 11, 10), "E_WASM_SECTION"),
    "a section over the end": (raw_module(b.wasm()[:-1]), "E_WASM_SECTION"),
    "a section size that overflows": (raw_module(b.WASM_HEADER + b"\1\xff\xff\xff\xff\x1f"), "E_WASM_SECTION"),
    "a section size of six bytes": (raw_module(b.WASM_HEADER + b"\0" + b.leb(1, 6) + b"\0"), "E_WASM_SECTION"),
    "a custom name over its section": (raw_module(b.wasm() + b.wasm_section(0, b"\x02n")), "E_WASM_SECTION"),
    "a custom section without a name": (raw_module(b.wasm() + b.wasm_section(0, b"")), "E_WASM_SECTION"),
    "a function without code": (module(s3=b.vector([b"\0", b"\0"])), "E_WASM_SECTION"),
    "functions and no code section": (module(s10=None), "E_WASM_SECTION"),
    "code and no function section": (module(s3=None), "E_WASM_SECTION"),
    "an import vector over its section": (module(s2=b"\2" + b.wasm_import(WASI, "fd_write")), "E_WASM_SECTION"),
    "a byte after the imports": (module(s2=b.vector([b.wasm_import(WASI, "fd_write")]) + b"\0"), "E_WASM_SECTION"),
    "an export vector over its section": (module(s7=b"\3" + b.WASM_SECTIONS[7][1:]), "E_WASM_SECTION"),
    "an imported memory": (imports(b.wasm_import(WASI, "memory", 2, b"\0\1")), "E_WASM_IMPORT"),
    "an imported table": (imports(b.wasm_import(WASI, "table", 1, b"\x70\0\1")), "E_WASM_IMPORT"),
    "an imported global": (imports(b.wasm_import(WASI, "global", 3, b"\x7f\0")), "E_WASM_IMPORT"),
    "a function of env": (imports(b.wasm_import("env", "fd_write")), "E_WASM_IMPORT"),
    "a WASI function that is none": (imports(b.wasm_import(WASI, "fd_writev")), "E_WASM_IMPORT"),
    "a WASI function in the socket module": (imports(b.wasm_import("recompiler_sock_v1", "fd_write")), "E_WASM_IMPORT"),
    "a socket function in WASI's module": (imports(b.wasm_import(WASI, "sock_open")), "E_WASM_IMPORT"),
    "an import's name cut by a NUL": (imports(b.wasm_import(WASI, "fd_write\0")), "E_WASM_IMPORT"),
    "no exports": (module(s7=None), "E_WASM_EXPORT"),
    "no _start": (exports(("main", 0, 1), ("memory", 2, 0)), "E_WASM_EXPORT"),
    "no memory": (exports(("_start", 0, 1)), "E_WASM_EXPORT"),
    "_start is a memory": (exports(("_start", 2, 0), ("memory", 2, 0)), "E_WASM_EXPORT"),
    "memory is a function": (exports(("_start", 0, 1), ("memory", 0, 1)), "E_WASM_EXPORT"),
}


@refused(MEANING)
def test_stub_or_module_is_refused(file: Callable[[], bytes], code: str) -> None:
    assert verdict(file(), small_store()) == code
