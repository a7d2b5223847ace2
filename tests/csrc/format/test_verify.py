"""rc_verify_*: the first failure of each stage, what is handed out, files that change or are no files."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from tests.format import builder

NOW = builder.NOW


def code_of(action: Callable[[], Any]) -> str:
    try:
        action()
    except Error as e:
        return e.code
    return "OK"


def store(**fields: Any) -> native.KeyStore:
    return native.KeyStore.parse(builder.store(**fields))


def verdict(file: bytes, now: int = NOW, **fields: Any) -> str:
    return code_of(lambda: native.verify_bytes(file, store(**fields), now=now))


@contextmanager
def file_of(tmp_path: Path, data: bytes) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def flipped(file: bytes, at: int) -> bytes:
    at %= len(file)
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


def module_without(section: int) -> bytes:
    return builder.wasm(**{f"s{section}": None})


def executable_of(**parts: bytes) -> bytes:
    return builder.executable(**parts).signed()


def renamed() -> bytes:
    return builder.dump(builder.manifest_document(builder.wasm(), name="demo/other"))


SMALL = builder.small()
STAGES: dict[str, tuple[Callable[[], str], str]] = {
    "a good file": (lambda: verdict(SMALL), "OK"),
    "0: an empty file": (lambda: verdict(b""), "E_TOO_SMALL"),
    "0: 31 bytes": (lambda: verdict(SMALL[-31:]), "E_TOO_SMALL"),
    "1: an ELF file": (lambda: verdict(builder.elf()), "E_NO_TRAILER"),
    "1: one byte behind": (lambda: verdict(SMALL + b"\0"), "E_TRAILING_DATA"),
    "1: 65,519 bytes behind": (lambda: verdict(SMALL + bytes(65520)), "E_TRAILING_DATA"),
    "1: 65,521 bytes behind": (lambda: verdict(SMALL + bytes(65521)), "E_NO_TRAILER"),
    "1: version 2": (lambda: verdict(SMALL[:-1] + b"2"), "E_TRAILER_VERSION"),
    "1: the last 32 bytes alone": (lambda: verdict(SMALL[-32:]), "E_TRUNCATED"),
    "1: a byte less in front": (lambda: verdict(SMALL[1:]), "E_STATEMENT_OFFSET"),
    "2: kind 3": (lambda: verdict(builder.executable(kind=3).signed()), "E_KIND"),
    "2: a signer too many": (lambda: verdict(builder.executable(signer_count=2).signed()), "E_SIGNERS"),
    "3: a wrapping size": (
        lambda: verdict(builder.with_slot(builder.executable(), 0, size=(1 << 64) - 1).signed()),
        "E_SECTION_SIZE",
    ),
    "3: a wrapping offset": (
        lambda: verdict(builder.with_slot(builder.executable(), 1, offset=(1 << 64) - 16).signed()),
        "E_LAYOUT",
    ),
    "4: unsigned": (lambda: verdict(builder.executable().pack()), "E_UNSIGNED"),
    "5: a signature's last bit": (lambda: verdict(flipped(SMALL, -33)), "E_SIG_INVALID"),
    "5: an unknown key": (lambda: verdict(builder.executable().signed(builder.key(9))), "E_KEY_UNKNOWN"),
    "6: expired this second": (lambda: verdict(builder.executable(expires_at=NOW).signed()), "E_EXPIRED"),
    "6: expires next second": (lambda: verdict(builder.executable(expires_at=NOW + 1).signed()), "OK"),
    "6: 301 s ahead": (lambda: verdict(builder.executable(signed_at=NOW + 301).signed()), "E_CLOCK"),
    "6: 300 s ahead": (lambda: verdict(builder.executable(signed_at=NOW + 300).signed()), "OK"),
    "6: rolled back": (lambda: verdict(builder.executable(security_version=0).signed()), "E_ROLLBACK"),
    "6: a subject of others": (
        lambda: verdict(builder.executable(subject=b"x".ljust(64, b"\0")).signed()),
        "E_SUBJECT_DENIED",
    ),
    "7: the stub's first bit": (lambda: verdict(flipped(SMALL, 0)), "E_DIGEST"),
    "8: not an ELF": (lambda: verdict(executable_of(stub=b"#!/bin/sh\n" * 10)), "E_STUB_ELF"),
    "8: a stub of 63 bytes": (lambda: verdict(executable_of(stub=builder.elf()[:63])), "E_STUB_ELF"),
    "8: a module of 7 bytes": (lambda: verdict(executable_of(module=b"\0asm\1\0\0")), "E_WASM_HEADER"),
    "8: functions without bodies": (lambda: verdict(executable_of(module=module_without(10))), "E_WASM_SECTION"),
    "8: no exports": (lambda: verdict(executable_of(module=module_without(7))), "E_WASM_EXPORT"),
    "8: a manifest of nothing": (lambda: verdict(executable_of(manifest=b"{}")), "E_MANIFEST_SCHEMA"),
    "8: another name": (lambda: verdict(executable_of(manifest=renamed())), "E_MANIFEST_NAME"),
}


@pytest.mark.parametrize(("check", "code"), STAGES.values(), ids=STAGES.keys())
def test_verify_gives_this_verdict(check: Callable[[], str], code: str) -> None:
    assert check() == code


def test_no_store_is_refused_at_stage_5_and_not_before() -> None:
    assert code_of(lambda: native.verify_bytes(SMALL, None, now=NOW)) == "E_KEYS_OPEN"
    assert code_of(lambda: native.verify_bytes(builder.executable().pack(), None, now=NOW)) == "E_UNSIGNED"


def test_a_store_s_own_error_is_the_verdict_of_stage_5() -> None:
    def broken() -> native.KeyStore:
        return native.KeyStore.parse(b"{}")

    assert code_of(lambda: native.verify_bytes(SMALL, broken, now=NOW)) == "E_KEYS_SCHEMA"
    assert code_of(lambda: native.verify_bytes(b"", broken, now=NOW)) == "E_TOO_SMALL"


def test_load_hands_out_the_signed_bytes(tmp_path: Path) -> None:
    with file_of(tmp_path, SMALL) as fd:
        for verified in (
            native.verify_fd(fd, store(), now=NOW, load=True),
            native.verify_bytes(SMALL, store(), now=NOW, load=True),
        ):
            assert verified.wasm == builder.wasm()
            assert verified.manifest == builder.dump(builder.manifest_document(builder.wasm()))
            assert verified.statement == SMALL[-(32 + 112 + 384) : -(32 + 112)]
            assert (verified.subject, verified.file_size, verified.signatures_counted) == ("demo/hello", len(SMALL), 1)
        assert native.verify_fd(fd, store(), now=NOW).wasm is None
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0


def test_two_signers_are_counted() -> None:
    file = builder.executable(signer_count=2).signed(builder.key(0), builder.key(1))
    rows = [builder.key_row(builder.key(i), i) for i in range(2)]
    assert native.verify_bytes(file, store(rows=rows, threshold=2), now=NOW).signatures_counted == 2


def test_a_descriptor_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert code_of(lambda: native.verify_fd(read_end, store(), now=NOW)) == "E_NOT_REGULAR"
        assert code_of(lambda: native.verify_fd(folder, store(), now=NOW)) == "E_NOT_REGULAR"
        assert code_of(lambda: native.verify_fd(-1, store(), now=NOW)) == "E_OPEN"
    finally:
        for fd in (read_end, write_end, folder):
            os.close(fd)


def test_a_descriptor_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(SMALL)
    fd = os.open(path, os.O_WRONLY)
    try:
        assert code_of(lambda: native.verify_fd(fd, store(), now=NOW)) == "E_READ"
    finally:
        os.close(fd)


def test_a_sparse_file_of_more_than_18_gib_is_refused_unread(tmp_path: Path) -> None:
    with file_of(tmp_path, SMALL) as fd:
        os.ftruncate(fd, (18 << 30) + 1)
        assert code_of(lambda: native.verify_fd(fd, store(), now=NOW)) == "E_TOO_LARGE"


def test_a_file_that_is_written_to_meanwhile_is_refused(tmp_path: Path) -> None:
    module = builder.wasm() + builder.wasm_section(0, builder.text("pad") + bytes(32 << 20))
    with file_of(tmp_path, executable_of(module=module)) as fd:
        stop = threading.Event()

        def touch() -> None:
            tick = 0
            while not stop.is_set():
                os.utime(fd, ns=(tick, tick))
                tick += 1_000_000

        toucher = threading.Thread(target=touch)
        toucher.start()
        try:
            assert code_of(lambda: native.verify_fd(fd, store(), now=NOW)) == "E_CHANGED"
        finally:
            stop.set()
            toucher.join()
        assert code_of(lambda: native.verify_fd(fd, store(), now=NOW)) == "OK"


def test_a_module_of_many_chunks_is_digested_whole(tmp_path: Path) -> None:
    module = builder.wasm() + builder.wasm_section(0, builder.text("pad") + bytes(range(256)) * (12 << 10))
    file = executable_of(module=module)
    with file_of(tmp_path, file) as fd:
        verified = native.verify_fd(fd, store(), now=NOW, load=True)
        assert verified.wasm == module
        for at in (builder.align16(129), (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20):
            os.pwrite(fd, bytes([file[at] ^ 0x80]), at)
            assert code_of(lambda: native.verify_fd(fd, store(), now=NOW)) == "E_DIGEST"
            os.pwrite(fd, file[at : at + 1], at)


# ---- kind 2


@contextmanager
def bundle(tmp_path: Path, **parts: Any) -> Iterator[tuple[int, dict[int, int]]]:
    """The descriptors of a bundle.sig and of the files it names."""
    signed, contents = builder.detached(**parts)
    fds = {}
    for number, data in {0: signed.signed(), **contents}.items():
        path = tmp_path / str(number)
        path.write_bytes(data)
        fds[number] = os.open(path, os.O_RDWR)
    try:
        yield fds.pop(0), fds
    finally:
        for fd in fds.values():
            os.close(fd)


def detached_verdict(fd: int, fds: dict[int, int]) -> str:
    return code_of(lambda: native.verify_fd(fd, store(), now=NOW, load=True, section_fds=fds))


def test_a_detached_signature_verifies_the_files_it_names(tmp_path: Path) -> None:
    with bundle(tmp_path, aot=b"native code") as (fd, fds):
        verified = native.verify_fd(fd, store(), now=NOW, load=True, section_fds=fds)
        assert verified.wasm == builder.wasm()
        assert detached_verdict(fd, fds) == "OK"


def test_each_file_of_a_detached_signature_is_needed_as_it_was_signed(tmp_path: Path) -> None:
    with bundle(tmp_path, aot=b"native code") as (fd, fds):
        for number, section in fds.items():
            assert detached_verdict(fd, {k: v for k, v in fds.items() if k != number}) == "E_OPEN"
            first = os.pread(section, 1, 0)
            os.pwrite(section, bytes([first[0] ^ 1]), 0)
            assert detached_verdict(fd, fds) == "E_DIGEST"
            os.pwrite(section, first, 0)
            size = os.fstat(section).st_size
            os.ftruncate(section, size + 1)
            assert detached_verdict(fd, fds) == "E_DIGEST"
            os.ftruncate(section, size)
        assert detached_verdict(fd, fds) == "OK"
        read_end, write_end = os.pipe()
        assert detached_verdict(fd, fds | {2: read_end}) == "E_NOT_REGULAR"
        os.close(read_end)
        os.close(write_end)


def test_a_detached_module_is_looked_at_up_to_its_header(tmp_path: Path) -> None:
    with bundle(tmp_path, module=b"\0asm\1\0\0\0 not a section") as (fd, fds):
        assert detached_verdict(fd, fds) == "OK"
    with bundle(tmp_path, module=b"\0asm\2\0\0\0") as (fd, fds):
        assert detached_verdict(fd, fds) == "E_WASM_HEADER"


# ---- the library itself


def test_the_magic_lies_in_no_program_that_looks_for_it() -> None:
    import recompiler

    package = Path(recompiler.__file__).parent
    programs = [*package.glob("_native*.so"), *package.glob("stubs/stub-*")]
    assert programs
    for program in programs:
        assert builder.MAGIC not in program.read_bytes(), program


def test_a_syscall_gives_the_kernel_s_value_or_minus_errno() -> None:
    read_end, write_end = os.pipe()
    number = {"x86_64": (0, 1), "aarch64": (63, 64)}[os.uname().machine]
    buffer = bytearray(8)
    try:
        assert native.syscall(number[1], write_end, b"hello", 5) == 5
        assert native.syscall(number[0], read_end, buffer, 8) == 5
        assert native.syscall(number[1], read_end, b"hello", 5) == -errno.EBADF
        assert native.syscall(number[1], write_end, 0, 1) == -errno.EFAULT
    finally:
        os.close(read_end)
        os.close(write_end)
    assert bytes(buffer) == b"hello\0\0\0"
