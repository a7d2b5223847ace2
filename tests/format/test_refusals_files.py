"""In: files and key stores wrong as files: no regular ones, swapped, changing, sparse. Out: a code, without a wait.

C and Python read each through a descriptor; a path is opened once, and nothing but that descriptor is looked at.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from recompiler.format import files, verify
from recompiler.format.keystore import KeyStore
from tests.format import builder as b
from tests.format.builder import MANIFEST, NOW, WASM, detached, executable, small, small_store, store
from tests.format.verdicts import OK, agreed, outcome


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A read that waits is a failure of this test and not of the whole run."""

    def late(*_: object) -> None:
        raise AssertionError("waited on a file that never answers")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private directory: one that a key store may lie in."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    return private


def fd_verdict(fd: int, section_fds: dict[int, int] | None = None) -> str:
    python_store, c_store = KeyStore.parse(small_store()), native.KeyStore.parse(small_store())
    python = outcome(lambda: verify.verify_fd(fd, python_store, now=NOW, section_fds=section_fds))
    c = outcome(lambda: native.verify_fd(fd, c_store, now=NOW, section_fds=section_fds))
    return agreed(python, c, f"fd {fd}")


def path_verdict(path: Path) -> str:
    try:
        fd = files.open_file(path)
    except Error as error:
        return error.code
    try:
        return fd_verdict(fd)
    finally:
        os.close(fd)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- the file itself


def test_a_regular_file_is_accepted(folder: Path) -> None:
    assert path_verdict(write(folder / "app", small())) == OK


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


NOT_REGULAR: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a FIFO that nobody writes to": (fifo, "E_NOT_REGULAR"),
    "a socket": (unix_socket, "E_OPEN"),  # open(2) of a socket is ENXIO
    "a directory": (Path.mkdir, "E_NOT_REGULAR"),
    "a symlink to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), "E_NOT_REGULAR"),
    "a symlink to /dev/tty or nothing": (lambda path: path.symlink_to("/dev/null"), "E_NOT_REGULAR"),
    "a symlink to itself": (lambda path: path.symlink_to(path), "E_OPEN"),
    "nothing": (lambda path: None, "E_OPEN"),
}


@pytest.mark.parametrize(("make", "code"), NOT_REGULAR.values(), ids=NOT_REGULAR.keys())
def test_what_is_no_regular_file_is_refused_without_a_wait(
    make: Callable[[Path], Any], code: str, folder: Path
) -> None:
    make(folder / "app")
    assert path_verdict(folder / "app") == code


def test_descriptors_of_a_pipe_a_socket_and_a_closed_file_are_refused() -> None:
    reading, writing = os.pipe()
    left, right = socket.socketpair()
    with left, right:
        assert fd_verdict(reading) == "E_NOT_REGULAR"
        assert fd_verdict(left.fileno()) == "E_NOT_REGULAR"
    os.close(reading)
    os.close(writing)
    assert fd_verdict(reading) == "E_OPEN"


def test_a_path_swapped_between_open_and_read_changes_nothing(folder: Path) -> None:
    """One descriptor for everything: what the path names later is never looked at."""
    path = write(folder / "app", small())
    fd = os.open(path, os.O_RDONLY)
    os.replace(write(folder / "evil", b.elf()), path)
    assert fd_verdict(fd) == OK
    os.close(fd)
    assert path_verdict(path) == "E_NO_TRAILER"


def test_the_descriptor_s_position_is_neither_used_nor_moved(folder: Path) -> None:
    fd = os.open(write(folder / "app", small()), os.O_RDONLY)
    os.lseek(fd, 77, os.SEEK_SET)
    assert fd_verdict(fd) == OK
    assert os.lseek(fd, 0, os.SEEK_CUR) == 77
    os.close(fd)


def test_a_file_that_is_written_to_while_it_is_hashed_is_never_accepted(folder: Path) -> None:
    """A thread rewrites the last byte of an 8 MiB section all the time: E_CHANGED or E_DIGEST, never accepted."""
    aot = bytes(8 << 20)
    file = executable(aot=aot)
    path = write(folder / "app", file.signed())
    spot = file.statement.slots[3].offset + len(aot) - 1
    stop = threading.Event()
    first = threading.Event()

    def rewrite() -> None:
        fd, value = os.open(path, os.O_WRONLY), 0
        while not stop.is_set():
            value = (value + 1) % 255
            os.pwrite(fd, bytes([value + 1]), spot)
            first.set()
        os.close(fd)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        assert first.wait(20)
        for reader in ("python", "c"):
            with open(path, "rb") as opened:
                if reader == "python":
                    keys = KeyStore.parse(small_store())
                    code = outcome(partial(verify.verify_fd, opened.fileno(), keys, now=NOW))
                else:
                    native_keys = native.KeyStore.parse(small_store())
                    code = outcome(partial(native.verify_fd, opened.fileno(), native_keys, now=NOW))
            assert code in ("E_CHANGED", "E_DIGEST"), reader
    finally:
        stop.set()
        writer.join()


def test_a_file_that_becomes_shorter_is_a_refusal_and_no_sigbus(folder: Path) -> None:
    path = write(folder / "app", small())
    fd = os.open(path, os.O_RDWR)
    for length in (len(small()) - 1, len(small()) // 2, 32, 31, 0):
        os.ftruncate(fd, length)
        assert fd_verdict(fd) in ("E_NO_TRAILER", "E_TOO_SMALL")
    os.close(fd)


@pytest.mark.parametrize(
    ("size", "code"), [(32, "E_NO_TRAILER"), (18 << 30, "E_NO_TRAILER"), ((18 << 30) + 1, "E_TOO_LARGE")]
)
def test_a_sparse_file_is_judged_without_reading_it(size: int, code: str, folder: Path) -> None:
    fd = os.open(folder / "sparse", os.O_RDWR | os.O_CREAT)
    try:
        os.ftruncate(fd, size)
    except OSError:
        pytest.skip(f"the file system here holds no sparse file of {size} bytes")
    assert fd_verdict(fd) == code
    os.close(fd)


def test_a_hole_in_a_section_is_a_wrong_digest(folder: Path) -> None:
    """A trailer at the end of a sparse 1 MiB file whose sections are holes."""
    file = executable(aot=b"\1" * (1 << 20)).sign()
    path = folder / "sparse"
    with path.open("wb") as out:
        out.truncate(len(file.body))
        out.seek(len(file.body))
        out.write(file.pack()[len(file.body) :])
    assert path_verdict(path) == "E_DIGEST"


# ---- the files of a detached trailer


@pytest.fixture
def bundle(folder: Path) -> Iterator[tuple[int, dict[int, int]]]:
    """Descriptors of a detached trailer and of its sections' files."""
    file, contents = detached()
    signature = os.open(write(folder / "bundle.sig", file.signed()), os.O_RDONLY)
    fds = {t: os.open(write(folder / f"section-{t}", data), os.O_RDWR) for t, data in contents.items()}
    yield signature, fds
    for fd in (signature, *fds.values()):
        os.close(fd)


def test_a_bundle_is_accepted(bundle: tuple[int, dict[int, int]]) -> None:
    assert fd_verdict(*bundle) == OK


def test_a_bundle_whose_file_is_not_given_is_refused(bundle: tuple[int, dict[int, int]]) -> None:
    signature, fds = bundle
    assert fd_verdict(signature) == "E_OPEN"
    assert fd_verdict(signature, {WASM: fds[WASM]}) == "E_OPEN"


def test_a_bundle_whose_files_are_swapped_is_refused(bundle: tuple[int, dict[int, int]]) -> None:
    signature, fds = bundle
    assert fd_verdict(signature, {WASM: fds[MANIFEST], MANIFEST: fds[WASM]}) == "E_DIGEST"


def test_a_bundle_whose_file_is_longer_shorter_or_changed_is_refused(bundle: tuple[int, dict[int, int]]) -> None:
    signature, fds = bundle
    whole = os.pread(fds[WASM], 1 << 16, 0)
    for data in (whole + b"\0", whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        os.ftruncate(fds[WASM], 0)
        os.pwrite(fds[WASM], data, 0)
        assert fd_verdict(signature, fds) == "E_DIGEST"


def test_a_bundle_whose_file_is_a_pipe_is_refused(bundle: tuple[int, dict[int, int]]) -> None:
    signature, fds = bundle
    reading, writing = os.pipe()
    assert fd_verdict(signature, {**fds, WASM: reading}) == "E_NOT_REGULAR"
    os.close(reading)
    os.close(writing)


# ---- the key store as a file


def store_file_verdict(path: Path) -> str:
    return agreed(outcome(lambda: KeyStore.open(path)), outcome(lambda: native.KeyStore.open(path)), str(path))


def linked(path: Path) -> None:
    write(path.with_name("real.json"), store()).chmod(0o600)
    path.symlink_to("real.json")


def hard_linked(path: Path) -> None:
    os.link(write(path.with_name("real.json"), store()), path)


def with_mode(mode: int) -> Callable[[Path], None]:
    return lambda path: write(path, store()).chmod(mode)


STORES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "as it should be": (with_mode(0o600), OK),
    "readable by all": (with_mode(0o644), OK),
    "missing": (lambda path: None, "E_KEYS_OPEN"),
    "a symlink": (linked, "E_KEYS_OPEN"),
    "a dangling symlink": (lambda path: path.symlink_to("none"), "E_KEYS_OPEN"),
    "a socket": (unix_socket, "E_KEYS_OPEN"),
    "a FIFO that nobody writes to": (fifo, "E_KEYS_UNSAFE"),
    "a directory": (Path.mkdir, "E_KEYS_UNSAFE"),
    "a hard link": (hard_linked, "E_KEYS_UNSAFE"),
    "group-writable": (with_mode(0o620), "E_KEYS_UNSAFE"),
    "world-writable": (with_mode(0o602), "E_KEYS_UNSAFE"),
    "over 64 KiB": (lambda path: write(path, store() + b" " * 65536), "E_KEYS_TOO_LARGE"),
    "over 64 KiB and writable by all": (lambda path: os.chmod(write(path, bytes(70000)), 0o666), "E_KEYS_UNSAFE"),
    "sparse, 1 GiB": (lambda path: os.truncate(write(path, store()), 1 << 30), "E_KEYS_TOO_LARGE"),
    "empty": (lambda path: write(path, b""), "E_KEYS_SYNTAX"),
}


@pytest.mark.parametrize(("make", "code"), STORES.values(), ids=STORES.keys())
def test_key_store_file(make: Callable[[Path], Any], code: str, folder: Path) -> None:
    make(folder / "pubkeys.json")
    assert store_file_verdict(folder / "pubkeys.json") == code


def test_a_key_store_that_is_a_device_is_refused() -> None:
    for device in ("/dev/null", "/dev/zero"):
        assert store_file_verdict(Path(device)) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_key_store_below_a_directory_that_others_can_write_is_refused(mode: int, folder: Path) -> None:
    below = folder / "open" / "closed"
    below.mkdir(parents=True, mode=0o700)
    path = write(below / "pubkeys.json", store())
    assert store_file_verdict(path) == OK
    below.parent.chmod(mode)
    assert store_file_verdict(path) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize(("mode", "who"), [(0o770, "g"), (0o702, "o"), (0o777, "go")])
@pytest.mark.parametrize("place", ["", "keys", "keys/pubkeys.json"])
def test_both_readers_say_what_others_can_change_and_how_to_end_it(
    mode: int, who: str, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "keys").mkdir(mode=0o700)
    write(folder / "keys" / "pubkeys.json", store())
    (folder / place).chmod(mode)
    monkeypatch.chdir(folder)
    for start, shown in ((f"{folder}/", str(folder / place)), ("", place or ".")):
        for reader in (KeyStore, native.KeyStore):
            with pytest.raises(Error, match=f"^E_KEYS_UNSAFE: .*: chmod {who}-w {shown}$"):
                reader.open(f"{start}keys/pubkeys.json")


def test_a_key_store_below_a_symlink_is_refused(folder: Path) -> None:
    (folder / "real").mkdir(mode=0o700)
    write(folder / "real" / "pubkeys.json", store())
    (folder / "link").symlink_to("real")
    assert store_file_verdict(folder / "link" / "pubkeys.json") == "E_KEYS_OPEN"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_store_of_another_user_is_refused(folder: Path) -> None:
    path = write(folder / "pubkeys.json", store())
    os.chown(path, 12345, 12345)
    assert store_file_verdict(path) == "E_KEYS_UNSAFE"


def test_a_key_store_that_is_rewritten_all_the_time_is_never_misread(folder: Path) -> None:
    """The reader sees the old text, the new one or E_KEYS_CHANGED; a torn mixture never counts as a store."""
    old, new = store(version=1), store(version=2, threshold=1).ljust(len(store(version=1)) + 20000)
    path = write(folder / "pubkeys.json", old)
    stop = threading.Event()

    def rewrite() -> None:
        fd = os.open(path, os.O_WRONLY)
        while not stop.is_set():
            for text in (new, old):
                os.pwrite(fd, text, 0)
                os.ftruncate(fd, len(text))
        os.close(fd)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        codes = {outcome(partial(reader.open, path)) for reader in (KeyStore, native.KeyStore) * 50}
    finally:
        stop.set()
        writer.join()
    assert codes <= {OK, "E_KEYS_CHANGED"}


# ---- outputs: what the tools write (tests/recompiler/format/test_files.py has the rest)

LIMITED = """
import resource, signal, sys
from recompiler.format import files
from recompiler.errors import Error
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    files.write_file(sys.argv[1], [bytes(40000), bytes(40000)], force=True, inputs=[])
except Error as error:
    print(error.code)
"""


@pytest.mark.parametrize("existing", [None, b"the old file"])
def test_a_full_disk_is_a_refusal_that_leaves_the_old_file_and_nothing_else(
    existing: bytes | None, folder: Path
) -> None:
    """RLIMIT_FSIZE stands in for the disk: the write fails with EFBIG in the middle of the file."""
    output = folder / "out"
    if existing is not None:
        output.write_bytes(existing)
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, output], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "E_OUTPUT\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == ({"out": existing} if existing else {})


def test_a_refusal_leaves_no_descriptor_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in ("/dev/null", "/dev", "/none", __file__):
        outcome(partial(KeyStore.open, path))
        outcome(partial(native.KeyStore.open, path))
        outcome(partial(verify.verify_path, path, None))
    assert len(os.listdir("/proc/self/fd")) == before
