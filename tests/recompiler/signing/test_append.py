"""In: stub, module and manifest. Out: files that the reader accepts, the same bytes for the same inputs, or nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import verify
from recompiler.format.keystore import KeyStore
from recompiler.signing import sign
from recompiler.signing.append import Claims, Inputs, append
from tests.format import builder as b

CLAIMS = Claims(b.SIGNED_AT, security_version=1)
STORE = KeyStore.parse(b.store([b.key_row(b.key(0)), b.key_row(b.key(1), 1)]))


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    module = b.wasm()
    contents = {"stub": b.elf(), "wasm": module, "manifest": b.dump(b.manifest_document(module))}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return Inputs(tmp_path / "wasm", tmp_path / "manifest", tmp_path / "stub")


def test_a_file_is_made_as_the_page_says(inputs: Inputs, tmp_path: Path) -> None:
    append(inputs, tmp_path / "out", CLAIMS, [b.key(0).seed])
    assert (tmp_path / "out").read_bytes() == b.small()
    assert os.access(tmp_path / "out", os.X_OK)
    assert verify.verify_path(tmp_path / "out", STORE, now=b.NOW).signatures_counted == 1


def test_the_same_inputs_give_the_same_bytes(inputs: Inputs, tmp_path: Path) -> None:
    seeds = [b.key(0).seed, b.key(1).seed]
    claims = replace(CLAIMS, signers=2)
    append(inputs, tmp_path / "one", claims, seeds)
    append(inputs, tmp_path / "two", claims, seeds[::-1])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_aot_code_is_copied_and_its_row_asked_for(inputs: Inputs, tmp_path: Path) -> None:
    code = b"native" * 1000
    (tmp_path / "aot").write_bytes(code)
    with pytest.raises(Error, match="E_AOT_MANIFEST"):
        append(replace(inputs, aot=tmp_path / "aot"), tmp_path / "out", CLAIMS, [b.key(0).seed])
    inputs.manifest.write_bytes(b.dump(b.manifest_document(b.wasm(), aot=b.aot_rows(code))))
    append(replace(inputs, aot=tmp_path / "aot"), tmp_path / "out", CLAIMS, [b.key(0).seed])
    assert (tmp_path / "out").read_bytes() == b.executable(aot=code).signed()


def test_a_detached_trailer_names_files_that_stay_as_they_are(inputs: Inputs, tmp_path: Path) -> None:
    append(replace(inputs, stub=None), tmp_path / "bundle.sig", CLAIMS, [b.key(0).seed])
    assert (tmp_path / "bundle.sig").read_bytes() == b.detached()[0].signed()
    fds = {2: os.open(inputs.wasm, os.O_RDONLY), 3: os.open(inputs.manifest, os.O_RDONLY)}
    try:
        assert verify.verify_path(tmp_path / "bundle.sig", STORE, now=b.NOW, section_fds=fds)
        with pytest.raises(Error, match="E_OPEN"):
            verify.verify_path(tmp_path / "bundle.sig", STORE, now=b.NOW, section_fds={2: fds[2]})
        with pytest.raises(Error, match="E_DIGEST"):
            verify.verify_path(tmp_path / "bundle.sig", STORE, now=b.NOW, section_fds={2: fds[3], 3: fds[3]})
    finally:
        for fd in fds.values():
            os.close(fd)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("stub", b"#!/bin/sh\n".ljust(64), "E_STUB_ELF"),
        ("stub", b.elf() + b"\0" * 16, "E_STUB_EXTENT"),
        ("stub", b.small(), "E_STUB_EXTENT"),
        ("wasm", b"", "E_WASM_HEADER"),
        ("wasm", b.wasm(s7=None), "E_WASM_EXPORT"),
        ("wasm", b.wasm(s10=b.vector([b.text(b"\0\x10\0\x0b")])), "E_WASM_INVALID"),
        ("manifest", b"{}", "E_MANIFEST_SCHEMA"),
        ("manifest", b.dump(b.manifest_document(b"other")), "E_MANIFEST_WASM"),
    ],
)
def test_what_a_reader_would_refuse_is_not_made(
    inputs: Inputs, tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Error) as caught:
        append(inputs, tmp_path / "out", CLAIMS, [b.key(0).seed])
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_overwritten(inputs: Inputs, tmp_path: Path) -> None:
    for path in inputs.paths():
        before = path.read_bytes()
        with pytest.raises(Error, match="E_OUTPUT"):
            append(inputs, path, CLAIMS, [b.key(0).seed], force=True)
        assert path.read_bytes() == before


def test_keys_and_signers_must_fit(inputs: Inputs, tmp_path: Path) -> None:
    for claims, seeds in (
        (replace(CLAIMS, signers=2), [b.key(0).seed]),
        (replace(CLAIMS, signers=2), [b.key(0).seed] * 2),
    ):
        with pytest.raises(Error, match="E_USAGE"):
            append(inputs, tmp_path / "out", claims, seeds)
    with pytest.raises(Error, match="E_SIGNERS"):
        append(inputs, tmp_path / "out", replace(CLAIMS, signers=9))


def test_a_signature_from_elsewhere_makes_the_same_file(inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    append(inputs, out, CLAIMS)
    with pytest.raises(Error, match="E_UNSIGNED"):
        verify.verify_path(out, STORE, now=b.NOW)
    statement = sign.statement(out).raw
    sign.attach(out, [(b.key(0).public, b.key(0).sign(statement))], tmp_path / "signed")
    assert (tmp_path / "signed").read_bytes() == b.small()
    sign.attach(out, [(b.key(0).public, b.key(0).sign(statement))])
    assert out.read_bytes() == b.small()
    assert os.access(out, os.X_OK)


def test_attach_refuses_and_leaves_the_file_as_it_was(inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    append(inputs, out, replace(CLAIMS, signers=2))
    before = out.read_bytes()
    statement = sign.statement(out).raw
    good, other = ((b.key(n).public, b.key(n).sign(statement)) for n in (0, 1))
    wrong = (b.key(0).public, b.key(0).sign(b"another statement"))
    for pairs, code in (
        ([good], "E_USAGE"),
        ([good, good], "E_USAGE"),
        ([wrong, other], "E_SIG_INVALID"),
        ([(b.key(1).public, good[1]), good], "E_SIG_INVALID"),
    ):
        with pytest.raises(Error) as caught:
            sign.attach(out, pairs)
        assert caught.value.code == code
        assert out.read_bytes() == before
    sign.attach(out, [other, good])
    with pytest.raises(Error, match="signed already"):
        sign.attach(out, [other, good])
    assert verify.verify_path(out, STORE, now=b.NOW).signatures_counted == 2


def test_a_file_whose_sections_do_not_fit_is_not_signed(inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    append(inputs, out, CLAIMS)
    data = bytearray(out.read_bytes())
    data[200] ^= 1
    out.write_bytes(data)
    for step in (lambda: sign.statement(out), lambda: sign.sign(out, [b.key(0).seed])):
        with pytest.raises(Error, match="E_DIGEST"):
            step()
    assert out.read_bytes() == data


def test_signing_through_a_symlink_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    append(inputs, tmp_path / "out", CLAIMS)
    (tmp_path / "link").symlink_to("out")
    with pytest.raises(Error, match="E_OUTPUT"):
        sign.sign(tmp_path / "link", [b.key(0).seed])
