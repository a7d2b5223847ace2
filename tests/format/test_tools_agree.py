"""In: a signed program of the real stub. Out: what binutils, openssl, grep, b3sum and LIEF make of it.

A tool that is not on the machine is a skip that names it.
"""

from __future__ import annotations

import base64
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler import native
from recompiler.format import verify
from recompiler.format.keystore import KeyStore
from tests.format import builder as b
from tests.format.builder import MAGIC, NOW, executable, key, small_store
from tests.format.verdicts import OK, outcome, verdict
from tests.testbed import ROOT

STUBS = ROOT / "tools" / "recompiler" / "stubs"
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, section 10.1


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str | Path, status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
    result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert status is None or result.returncode == status, result.stderr
    return result


@pytest.fixture
def stub() -> bytes:
    path = STUBS / f"stub-{platform.machine()}-linux"
    if not path.is_file():
        pytest.skip("the stubs are not built: make build")
    return path.read_bytes()


@pytest.fixture
def program(stub: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(executable(stub=stub).signed())
    path.chmod(0o755)
    return path


def test_the_program_of_the_real_stub_is_accepted_extent_and_all(program: Path) -> None:
    assert verdict(program.read_bytes(), small_store()) == OK


STRIPPERS = {
    "strip": ("strip", "{}"),
    "strip -g": ("strip", "-g", "{}"),
    "objcopy": ("objcopy", "{}"),
    "objcopy --strip-all": ("objcopy", "--strip-all", "{}"),
}


@pytest.mark.parametrize("command", STRIPPERS.values(), ids=STRIPPERS.keys())
def test_what_binutils_writes_is_a_bare_stub_that_refuses(command: tuple[str, ...], program: Path) -> None:
    tool(command[0])
    run(*(part.format(program) for part in command))
    left = program.read_bytes()
    assert MAGIC not in left
    assert verdict(left, small_store()) == "E_NO_TRAILER"
    refused = run(program, status=125)
    assert refused.stdout == b""
    assert refused.stderr.startswith(b"recompiler: E_NO_TRAILER: ")
    assert refused.stderr.count(b"\n") == 1


def test_openssl_verifies_the_signature_of_the_statement(program: Path, tmp_path: Path) -> None:
    openssl = tool("openssl")
    data = program.read_bytes()
    statement, signature = data[-528:-144], data[-96:-32]
    pem = base64.encodebytes(ED25519_SPKI + key(0).public).decode()
    (tmp_path / "key.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{pem}-----END PUBLIC KEY-----\n")
    (tmp_path / "signature").write_bytes(signature)
    command: list[str | Path] = [openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", tmp_path / "key.pem"]
    command += ["-sigfile", tmp_path / "signature", "-in", tmp_path / "statement"]
    (tmp_path / "statement").write_bytes(statement)
    run(*command)
    (tmp_path / "statement").write_bytes(bytes([statement[0] ^ 1]) + statement[1:])
    assert run(*command, status=None).returncode != 0


def test_openssl_signs_what_both_readers_accept(tmp_path: Path) -> None:
    openssl = tool("openssl")
    private = bytes.fromhex("302e020100300506032b657004220420") + key(0).seed  # RFC 8410, section 7
    (tmp_path / "key.der").write_bytes(private)
    file = executable()
    (tmp_path / "statement").write_bytes(file.statement.pack())
    command: list[str | Path] = [
        openssl,
        "pkeyutl",
        "-sign",
        "-rawin",
        "-keyform",
        "DER",
        "-inkey",
        tmp_path / "key.der",
    ]
    run(*command, "-in", tmp_path / "statement", "-out", tmp_path / "signature")
    file.records = [b.Record(key(0).id, (tmp_path / "signature").read_bytes())]
    assert verdict(file.pack(), small_store()) == OK


def test_grep_finds_one_magic_and_none_in_a_bare_stub(stub: bytes, program: Path, tmp_path: Path) -> None:
    grep = tool("grep")
    found = run(grep, "-oba", MAGIC.decode(), program).stdout.splitlines()
    assert found == [f"{program.stat().st_size - 16}:{MAGIC.decode()}".encode()]
    for path in sorted(STUBS.glob("stub-*")):
        assert run(grep, "-oba", MAGIC.decode(), path, status=1).stdout == b"", path.name


def test_b3sum_prints_the_digests_of_the_sections(program: Path, tmp_path: Path) -> None:
    b3sum = tool("b3sum")
    file = executable(stub=(STUBS / f"stub-{platform.machine()}-linux").read_bytes())
    for slot in file.statement.slots[:3]:
        (tmp_path / "section").write_bytes(file.body[slot.offset : slot.offset + slot.size])
        assert run(b3sum, "--no-names", tmp_path / "section").stdout.decode().strip() == slot.digest.hex()


def test_lief_keeps_the_trailer(program: Path, tmp_path: Path) -> None:
    """The appended bytes are what LIEF calls the overlay: they can be read back, and stay when the file is written."""
    lief = pytest.importorskip("lief")
    binary = lief.ELF.parse(str(program))
    data = program.read_bytes()
    overlay = bytes(binary.overlay)
    assert data.endswith(overlay)
    assert overlay.endswith(MAGIC)
    binary.write(str(tmp_path / "rewritten"))
    assert (tmp_path / "rewritten").read_bytes().endswith(overlay)


def test_a_release_is_named_by_its_statement_whoever_signed_it() -> None:
    keys = KeyStore.parse(b.store([b.key_row(key(n), n) for n in range(2)]))

    def name(file: b.File, signer: b.Key) -> bytes:
        return verify.verify_bytes(file.signed(signer), keys, now=NOW).statement.release_id

    file = executable()
    assert name(file, key(0)) == name(file, key(1)) == blake3(file.statement.pack()).digest()
    assert name(executable(security_version=2), key(0)) != name(file, key(0))


def test_both_readers_read_the_program_through_a_descriptor(program: Path) -> None:
    fd = os.open(program, os.O_RDONLY)
    assert outcome(lambda: verify.verify_fd(fd, KeyStore.parse(small_store()), now=NOW)) == OK
    assert outcome(lambda: native.verify_fd(fd, native.KeyStore.parse(small_store()), now=NOW)) == OK
    os.close(fd)
