"""Only a file whose bytes are signed runs, whatever it is called and however it is reached."""

from __future__ import annotations

import errno
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vkernel_proto.controlled import FILES, HASH, STRANGE, World, digest, overlaid, plain, program
from vkernel_proto import controller, hashes
from vkernel_proto.controller import REASONS, Denied, Request

WC = FILES["/usr/bin/wc"]


@pytest.fixture(params=[plain, overlaid])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with request.param(tmp_path) as made:
        yield made


def test_a_signed_program_runs_by_each_of_its_names(world: World) -> None:
    for path in ("/usr/bin/wc", "/bin/wc", "//usr/./bin/../bin/wc", "/../../bin/wc", "wc"):
        verdict = world.decide(path, "-l")
        assert (verdict.entry, verdict.export, verdict.hash, verdict.chain) == (1, "wc", HASH["wc"], (HASH["wc"],))
        assert (verdict.path, verdict.argv) == ("/usr/bin/wc", [path, "-l"])


def test_symlinks_are_followed_inside_the_root(world: World) -> None:
    assert world.decide("/usr/bin/twice").export == "sh"
    assert world.decide("/usr/bin/twice").path == "/usr/bin/sh"


def test_relative_paths_begin_at_the_working_directory(world: World) -> None:
    (world.guest / "link").symlink_to("/usr/bin")
    for cwd, path in (("/usr", "bin/wc"), ("/usr/bin", "./wc"), ("/usr/lib", "../bin/wc"), ("/link", "../bin/wc")):
        assert world.decide(path, cwd=cwd).path == "/usr/bin/wc"
    assert world.denied("./wc", cwd="/usr/lib").reason == "not found"
    assert world.denied("./wc", cwd="/nowhere").reason == "not found"
    assert world.denied("./wc", cwd="/bin/wc").reason == "not a directory"
    assert world.denied("./wc", cwd="usr/bin").reason == "malformed"


def test_an_unknown_file_is_refused_by_its_hash(world: World) -> None:
    denied = world.denied("/usr/bin/strange")
    assert (denied.reason, denied.errno, denied.hash) == ("unknown hash", errno.EACCES, digest(STRANGE))
    assert denied.path == "/usr/bin/strange"


def test_a_file_that_a_guest_wrote_is_refused(world: World) -> None:
    world.put("/usr/bin/injected", b"\0asm\x01\0\0\0 injected")
    assert world.denied("/usr/bin/injected").hash == digest(b"\0asm\x01\0\0\0 injected")
    world.put("/usr/bin/wc", b"other bytes under a signed name")
    assert world.denied("/usr/bin/wc").hash == digest(b"other bytes under a signed name")


def test_each_single_bit_counts(world: World) -> None:
    file = world.put("/usr/bin/wc", WC)
    with file.open("r+b", buffering=0) as out:
        for bit in range(8 * len(WC)):
            changed = bytearray(WC)
            changed[bit // 8] ^= 1 << bit % 8
            out.seek(bit // 8)
            out.write(changed[bit // 8 : bit // 8 + 1])
            denied = world.denied("/usr/bin/wc")
            assert (denied.reason, denied.hash) == ("unknown hash", digest(changed))
            out.seek(bit // 8)
            out.write(WC[bit // 8 : bit // 8 + 1])
    assert world.decide("/usr/bin/wc").entry == 1


@pytest.mark.parametrize("data", [b"", WC[:-1], WC + b"\0", WC + WC])
def test_a_cut_or_longer_file_is_refused(world: World, data: bytes) -> None:
    world.put("/usr/bin/wc", data)
    assert world.denied("/usr/bin/wc").hash == digest(data)


def test_a_renamed_program_is_still_itself(world: World) -> None:
    os.rename(world.guest / "usr/bin/cat", world.guest / "usr/bin/wc")
    assert world.decide("/usr/bin/wc").export == "cat"
    assert world.denied("/usr/bin/wc", hash=HASH["wc"]).reason == "path names another file"
    assert world.denied("/usr/bin/cat").reason == "not found"


def test_a_path_must_name_the_file_that_the_caller_claims(world: World) -> None:
    assert world.decide("/usr/bin/wc", hash=HASH["wc"]).entry == 1
    for claimed in (HASH["cat"], digest(STRANGE), "0" * 64, "", "wc"):
        denied = world.denied("/usr/bin/wc", hash=claimed)
        assert (denied.reason, denied.errno, denied.hash) == ("path names another file", errno.EACCES, HASH["wc"])
    assert world.denied("/usr/bin/strange", hash=HASH["wc"]).hash == digest(STRANGE)


def test_a_hash_alone_is_enough_for_a_program(world: World) -> None:
    verdict = world.decide("", "x", hash=HASH["cat"])
    assert (verdict.entry, verdict.hash, verdict.chain, verdict.path) == (2, HASH["cat"], (HASH["cat"],), "")
    assert world.denied("", hash=digest(STRANGE)).hash == digest(STRANGE)
    assert world.denied("", hash=HASH["hello"]).reason == "script without a path"
    assert world.denied("", hash=HASH["tool.so"]).reason == "not a program"
    assert world.denied("").reason == "not found"


def test_a_library_is_not_executed(world: World) -> None:
    denied = world.denied("/usr/lib/tool.so")
    assert (denied.reason, denied.errno, denied.hash) == ("not a program", errno.ENOEXEC, HASH["tool.so"])


# ---- what a path can lead to besides a program


def test_only_regular_files_are_executed_and_nothing_else_is_opened(world: World) -> None:
    os.mkfifo(world.guest / "fifo", 0o777)
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(world.guest, os.O_PATH)
    try:
        listener.bind(f"/proc/self/fd/{here}/socket")
    finally:
        os.close(here)
    for name in ("fifo", "socket", "usr", "bin", "."):
        denied = world.denied(f"/{name}")
        assert (denied.reason, denied.errno, denied.hash) == ("not a regular file", errno.EACCES, None)
    listener.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes are made by root")
@pytest.mark.parametrize("kind", [0o020000, 0o060000])
def test_a_device_is_not_executed(world: World, kind: int) -> None:
    os.mknod(world.guest / "device", kind | 0o777, os.makedev(1, 5))  # /dev/zero: it has no end
    assert world.denied("/device").reason == "not a regular file"


def test_loops_and_dead_ends_have_linux_errnos(world: World) -> None:
    (world.guest / "self").symlink_to("self")
    (world.guest / "ping").symlink_to("pong")
    (world.guest / "pong").symlink_to("ping")
    (world.guest / "dead").symlink_to("/usr/bin/none")
    rows = {
        "/self": errno.ELOOP,
        "/ping/wc": errno.ELOOP,
        "/dead": errno.ENOENT,
        "/usr/bin/none": errno.ENOENT,
        "/usr/bin/wc/": errno.ENOTDIR,
        "/usr/bin/wc/..": errno.ENOTDIR,
        "/" + "x" * 256: errno.ENAMETOOLONG,
        "/x" * 2048: errno.ENAMETOOLONG,
    }
    assert {path: world.denied(path).errno for path in rows} == rows


def test_no_symlink_leads_out_of_the_root(world: World, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(WC)
    (tmp_path / "outside").chmod(0o755)
    up = "../" * 40
    for number, target in enumerate((f"{tmp_path}/outside", f"{up}{tmp_path}/outside", "../outside", "/../outside")):
        (world.guest / f"out{number}").symlink_to(target)
        assert world.denied(f"/out{number}").reason == "not found"
    assert world.denied(f"{up}{tmp_path}/outside").reason == "not found"
    (world.guest / "exe").symlink_to("/proc/self/exe")
    assert world.denied("/exe").reason == "not found"


@pytest.mark.skipif(os.geteuid() != 0, reason="proc is mounted by root")
def test_magic_links_and_files_of_the_kernel_are_refused(tmp_path: Path) -> None:
    with overlaid(tmp_path) as world:
        assert world.shell
        assert world.shell("mkdir root/proc && mount -t proc proc root/proc")
        exe = f"/proc/{os.getpid()}"
        (world.guest / "open").symlink_to(f"{exe}/fd/0")
        for path in ("/proc/self/exe", f"{exe}/exe", f"{exe}/root/usr/bin/wc", f"{exe}/cwd", "/open"):
            assert world.denied(path).reason == "symbolic links"
        assert world.denied("/proc/version").reason == "kernel interface"


def test_an_execute_bit_is_needed(world: World) -> None:
    file = world.put("/usr/bin/wc", WC, 0o644)
    denied = world.denied("/usr/bin/wc")
    assert (denied.reason, denied.errno) == ("not executable", errno.EACCES)
    for mode in (0o100, 0o010, 0o001, 0o755):
        file.chmod(mode | 0o400)
        allowed = os.access(file, os.X_OK, effective_ids=True)  # for root any bit, for others their own
        assert allowed == (os.geteuid() == 0 or bool(mode & 0o100))
        if allowed:
            assert world.decide("/usr/bin/wc").entry == 1
        else:
            assert world.denied("/usr/bin/wc").reason == "not executable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and search everything")
def test_what_the_user_may_not_read_is_refused(world: World) -> None:
    world.put("/usr/bin/wc", WC, 0o111)
    assert world.denied("/usr/bin/wc").reason == "not permitted"
    (world.guest / "usr/lib").chmod(0)
    assert world.denied("/usr/lib/tool.so").reason == "not permitted"
    (world.guest / "usr/lib").chmod(0o755)


def test_a_sparse_giant_does_not_hang(world: World) -> None:
    for size in (hashes.SIZE_MAX + 1, 1 << 40):
        os.truncate(world.put("/giant", b""), size)
        denied = world.denied("/giant")
        assert (denied.reason, denied.errno, denied.hash) == ("too large", errno.EFBIG, None)
    size = hashes.LARGE + 1
    os.truncate(world.put("/giant", b""), size)
    assert world.denied("/giant").hash == digest(bytes(size))


# ---- PATH


def test_path_is_searched_as_execvp_does(world: World) -> None:
    assert world.decide("wc", PATH="/nowhere:/usr/bin/wc:/usr/lib:/usr/bin").path == "/usr/bin/wc"
    assert world.decide("wc", cwd="/usr/bin", PATH="").path == "/usr/bin/wc"
    assert world.decide("wc", cwd="/usr/bin", PATH="/usr/lib::/nowhere").path == "/usr/bin/wc"
    assert world.decide("wc", cwd="/usr", PATH="../../..//usr/lib:bin").path == "/usr/bin/wc"
    assert world.decide("wc", HOME="/").path == "/usr/bin/wc"  # without PATH: the default one
    assert world.denied("wc", PATH="/usr/lib").reason == "not found"
    assert world.denied("none").errno == errno.ENOENT


def test_what_cannot_be_executed_is_passed_over_in_path_and_told_in_the_end(world: World) -> None:
    (world.guest / "first").mkdir()
    (world.guest / "first/wc").mkdir()
    (world.guest / "second").mkdir()
    world.put("/second/wc", WC, 0o644)
    assert world.decide("wc", PATH="/first:/second:/bin").path == "/usr/bin/wc"
    assert world.denied("wc", PATH="/first:/nowhere").reason == "not a regular file"
    assert world.denied("wc", PATH="/first:/second").reason == "not executable"


def test_an_unknown_file_in_front_is_refused_and_not_passed_over(world: World) -> None:
    (world.guest / "first").mkdir()
    world.put("/first/wc", b"injected")
    assert world.denied("wc", PATH="/first:/usr/bin").hash == digest(b"injected")


def test_a_hostile_path_is_searched_within_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    openat2 = controller.openat2

    def counted(*how: int | bytes) -> int:
        asked.append(b"")
        return openat2(*how)  # type: ignore[arg-type]

    monkeypatch.setattr(controller, "openat2", counted)
    for search in (":" * 100_000, "/x:" * 40_000, "/bin/wc/" * 1000, "\ud800", "/x\0/usr/bin", "/usr/bin" * 100_000):
        assert isinstance(world.denied("none", PATH=search), Denied)
    assert 0 < len(asked) <= 4 * controller.SEARCH_MAX


# ---- strings


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "/usr/bin/wc\0"}, "malformed"),
        ({"path": "\ud800"}, "malformed"),
        ({"argv": ["wc", "a\0b"]}, "malformed"),
        ({"env": {"A": "\0"}}, "malformed"),
        ({"env": {"\0": ""}}, "malformed"),
        ({"cwd": "/\0"}, "malformed"),
        ({"cwd": ""}, "malformed"),
        ({"path": "/" * (1 << 20)}, "arguments too long"),
        ({"path": "/usr/bin/" + "./" * 5000 + "wc"}, "name too long"),
        ({"argv": ["wc", "x" * (1 << 20)]}, "arguments too long"),
        ({"argv": ["wc"] * 300_000}, "arguments too long"),
        ({"env": {"A": "x" * (1 << 20)}}, "arguments too long"),
        ({"path": "\udcff"}, "not found"),
    ],
)
def test_strings_that_execve_could_not_be_given_are_refused(
    world: World, fields: dict[str, object], reason: str
) -> None:
    given = {"path": "/usr/bin/wc", "argv": ["wc"], "env": {}, "cwd": "/"} | fields
    with pytest.raises(Denied) as caught:
        world.controller.decide(Request(**given))  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.errno) == (reason, REASONS[reason])


def test_a_name_that_is_not_utf_8_is_a_name(world: World) -> None:
    os.link(world.guest / "usr/bin/wc", os.fsencode(world.guest) + b"/usr/bin/\xff")
    assert world.decide("/usr/bin/\udcff").entry == 1


# ---- the machine


def test_no_free_descriptor_is_a_refusal_and_leaks_none(world: World) -> None:
    world.put("/usr/bin/script", FILES["/usr/bin/hello"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    reasons = []
    free = [os.open("/", os.O_PATH) for _ in range(4)]  # the next ones, whatever lies between
    for fd in free:
        os.close(fd)
    try:
        for limit in free:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            for _ in range(20):
                try:
                    world.decide("/usr/bin/script")
                    reasons.append("ok")
                except Denied as denied:
                    reasons.append(denied.reason)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(reasons[:20]) == {"no resources"}
    assert set(reasons[-20:]) == {"ok"}
    assert set(reasons) == {"ok", "no resources"}
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_container_that_has_ended_is_a_refusal(world: World) -> None:
    def gone() -> int:
        raise ProcessLookupError(errno.ESRCH, "no such process")

    world.controller._root = gone
    assert world.denied("/usr/bin/wc").reason == "no container"


def test_verdicts_are_safe_from_several_threads(world: World) -> None:
    seen: list[tuple[str, int, str]] = []

    def ask(name: str, entry: int) -> None:
        for _ in range(100):
            verdict = world.decide(name)
            seen.append((name, verdict.entry - entry, verdict.hash))

    threads = [threading.Thread(target=ask, args=row) for row in (("wc", 1), ("cat", 2), ("hello", 0)) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 600
    assert set(seen) == {(name, 0, HASH[name]) for name in ("wc", "cat", "hello")}


def test_each_reason_has_an_errno_and_each_program_of_these_tests_its_own_hash() -> None:
    assert all(isinstance(number, int) and number > 0 for number in REASONS.values())
    assert len({digest(program(name)) for name in ("sh", "wc", "cat", "strange", "tool")}) == 5
