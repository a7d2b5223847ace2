"""recompiler run of what nobody has signed: what it is and what to do, by the verifier's codes; nothing of it runs."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recompiler.errors import CODES
from recompiler.format import trailer
from tests.format import builder
from tests.testbed import recompiler

PIE, INTERP, DYNAMIC = 3, 3, 2
FLAGS_1, SONAME, IS_PIE = 0x6FFFFFFB, 14, 0x08000000


def elf(type_: int = 2, machine: int = 62, *headers: tuple[int, bytes]) -> bytes:
    """An ELF64 of headers and what they point to; long enough to hold a trailer."""
    at = 64 + 56 * len(headers)
    table, parts = b"", b""
    for kind, data in headers:
        fields = (kind.to_bytes(4, "little"), bytes(4), *(n.to_bytes(8, "little") for n in (at, 0, 0, len(data))))
        table += b"".join(fields) + bytes(16)
        parts += data
        at += len(data)
    head = b"\x7fELF\2\1\1" + bytes(9) + type_.to_bytes(2, "little") + machine.to_bytes(2, "little") + bytes(12)
    head += (64).to_bytes(8, "little") + bytes(14) + (56).to_bytes(2, "little") + len(headers).to_bytes(2, "little")
    return (head.ljust(64, b"\0") + table + parts).ljust(trailer.MIN_FILE, b"\0")


def tags(**rows: int) -> bytes:
    numbers = {"flags_1": FLAGS_1, "soname": SONAME}
    words = [word for name, value in rows.items() for word in (numbers[name], value)]
    return b"".join(word.to_bytes(8, "little") for word in [*words, 0, 0])


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("oci-layout"))


PAD = b"\n" * trailer.MIN_FILE
LOADER = (INTERP, b"/lib64/ld-linux-x86-64.so.2\0")
KINDS: dict[str, tuple[bytes | Callable[[Path], None], str, str]] = {
    "a static program": (elf(), "E_NO_TRAILER", "a native program, which `recompiler lift` makes wasm of"),
    "a static PIE": (elf(PIE, 62, (DYNAMIC, tags(flags_1=IS_PIE))), "E_NO_TRAILER", "`recompiler lift`"),
    "a PIE": (elf(PIE, 62, LOADER, (DYNAMIC, tags(flags_1=IS_PIE))), "E_NO_TRAILER", "inside an image with its loader"),
    "a dynamic program": (elf(2, 62, LOADER), "E_NO_TRAILER", "a native program, dynamically linked"),
    "a library": (elf(PIE, 62, (DYNAMIC, tags(soname=1))), "E_NO_TRAILER", "a native library"),
    "of another machine": (elf(2, 183), "E_NO_TRAILER", "only those of x86-64 can be lifted"),
    "a script": (b"#!/bin/sh\nexit 0\n" + PAD, "E_NO_TRAILER", "a script; it runs in a bundle"),
    "a module": (builder.wasm(), "E_NO_TRAILER", "a wasm module; `recompiler append`"),
    "a component": (b"\0asm\x0d\0\1\0" + bytes(trailer.MIN_FILE), "E_NO_TRAILER", "a wasm component"),
    "text": ("Grüße\n".encode() + PAD, "E_NO_TRAILER", "text, no program"),
    "data": (bytes(range(256)) * 3, "E_NO_TRAILER", "no program that is known here"),
    "an archive": (tar, "E_NO_TRAILER", "an archive; of an image, recompiler-build makes a bundle"),
    "an empty file": (b"", "E_TOO_SMALL", "an empty file"),
    "a short script": (b"#!/bin/sh\n", "E_TOO_SMALL", "a script"),
    "a directory": (Path.mkdir, "E_NOT_REGULAR", "a directory without bundle.sig"),
}


@pytest.mark.parametrize(("content", "code", "words"), KINDS.values(), ids=KINDS)
def test_what_is_not_signed_is_called_what_it_is(
    tmp_path: Path, content: bytes | Callable[[Path], None], code: str, words: str
) -> None:
    """Without a key store: nothing of it is asked for."""
    file = tmp_path / "file"
    if callable(content):
        content(file)
    else:
        file.write_bytes(content)
        file.chmod(0o755)
    done = recompiler("run", "--pubkeys", tmp_path / "absent", file, check=False)
    line = done.stderr.decode()
    assert line.startswith(f"recompiler: {code}: {file} is ")
    assert words in line
    assert (line.count("\n"), done.stdout, done.returncode) == (1, b"", CODES[code])
    if code != "E_NOT_REGULAR":  # the same verdict as the verifier's
        verified = recompiler("verify", "--pubkeys", tmp_path / "absent", file, check=False)
        assert verified.stderr.decode().startswith(f"recompiler: {code}: ")


def test_what_has_a_trailer_is_the_verifiers_to_refuse(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(builder.executable(builder.elf()).signed(builder.key(0)))
    done = recompiler("run", "--pubkeys", tmp_path / "absent", file, check=False)
    assert done.stderr.startswith(b"recompiler: E_KEYS_OPEN: ")


def test_the_programs_of_this_machine_are_called_programs() -> None:
    done = recompiler("run", "/bin/sh", "-c", "echo it ran", check=False)
    assert (done.returncode, done.stdout) == (10, b"")
    assert done.stderr.startswith(b"recompiler: E_NO_TRAILER: /bin/sh is not signed: a native program")
