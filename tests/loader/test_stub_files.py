"""The stubs as files: size, no copy of the MAGIC, a note that names them, nothing to load at run time."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from recompiler.signing.stubs import NAMES
from tests.format import builder
from tests.loader.signed_stub import STUBS, run, stub_bytes, write_program

MAGIC = b"RCMPLR-TRAILER-1"


@pytest.fixture(params=NAMES)
def stub(request: pytest.FixtureRequest) -> Path:
    path = STUBS / f"stub-{request.param}"
    if not path.exists():
        pytest.skip(f"{path.name} is not built here")
    return path


def test_a_stub_is_at_most_250_kilobytes(stub: Path) -> None:
    assert stub.stat().st_size <= 250_000


def test_a_stub_holds_no_magic(stub: Path) -> None:
    assert MAGIC[:-1] not in stub.read_bytes()


def test_a_stub_is_static_and_its_stack_is_not_executable(stub: Path) -> None:
    import lief

    binary = lief.ELF.parse(str(stub))
    assert binary is not None
    segments = {str(segment.type).rsplit(".", maxsplit=1)[-1]: segment for segment in binary.segments}
    assert "INTERP" not in segments
    assert "DYNAMIC" not in segments
    executable, writable = lief.ELF.Segment.FLAGS.X, lief.ELF.Segment.FLAGS.W
    assert not segments["GNU_STACK"].has(executable)
    assert not [s for s in binary.segments if s.has(executable) and s.has(writable)]


def notes_of(path: Path) -> list[tuple[bytes, bytes]]:
    """(owner, description) of every note of the file's PT_NOTE segments, as elf(5) lays them out."""
    import lief

    binary = lief.ELF.parse(str(path))
    assert binary is not None
    notes = []
    for segment in binary.segments:
        if segment.type == lief.ELF.Segment.TYPE.NOTE:
            content = bytes(segment.content)
            while content:
                owner_size, size, _ = struct.unpack_from("<III", content)
                at = 12 + (owner_size + 3) // 4 * 4
                notes.append((content[12 : 12 + owner_size], content[at : at + size]))
                content = content[at + (size + 3) // 4 * 4 :]
    return notes


def test_a_stubs_note_says_what_it_is(stub: Path) -> None:
    target = stub.name.removeprefix("stub-").removesuffix("-dev")
    kind = "development" if stub.name.endswith("-dev") else "production"
    assert notes_of(stub) == [(b"recompiler\0", f"stub 0.1.0 {kind} {target}\0".encode())]


def test_the_aarch64_stub_verifies_under_an_emulator_and_refuses_to_run_unconfined(tmp_path: Path) -> None:
    """qemu-user has no seccomp(2): without its sandbox a stub does not run a guest."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None or not (STUBS / "stub-aarch64-linux-dev").exists():
        pytest.skip("no qemu-aarch64 here")
    program = write_program(tmp_path / "p", builder.wasm(), stub=stub_bytes("aarch64-linux-dev"))
    outcome = run(program, prefix=[emulator])
    assert (outcome.status, outcome.code) == (125, "E_SANDBOX")
    assert outcome.vkernel.hello["cid"] == "hello"
    assert outcome.vkernel.calls == []


def test_a_production_stub_does_not_know_the_development_settings(stub: Path) -> None:
    data = stub.read_bytes()
    development = stub.name.endswith("-dev")
    assert (b"RECOMPILER_PUBKEYS" in data) == development
    assert (b"RECOMPILER_RUN_DIR" in data) == development
