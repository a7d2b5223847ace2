"""What a guest can reach: the files of its root, the limits of its manifest, and nothing else."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.csrc.engine.client import FORCE, RULE, Container, Limits, Refused, Zygote
from tests.csrc.engine.conftest import EVERYTHING, need

DENIED = {b"Permission denied\n", b"No such file or directory\n", b"Capabilities insufficient\n"}


def words(container: Container, *argv: str) -> bytes:
    return container.run("guest", *argv).out


SCOPES = {"landlock_files", "landlock_net", "landlock_scope", "no_capabilities", "no_new_privileges", "seccomp"}
SPACES = {"mount_ns", "pid_ns", "net_ns", "ipc_ns", "uts_ns", "root", "overlay", "no_devices"}
IN_FORCE = {
    "root": SCOPES | SPACES,
    "user": SCOPES | SPACES | {"user_ns"},
    "chroot": SCOPES | {"chroot"},
    "bare": SCOPES,
}


def test_what_is_in_force_is_what_the_documentation_says(container: Container, request: pytest.FixtureRequest) -> None:
    """A kernel without something has fewer bits: that is a fact of the machine, told aloud."""
    wanted = IN_FORCE[request.node.callspec.params["container"]]
    need(container.in_force, *wanted)
    assert container.in_force == wanted


def test_writes_go_to_the_overlay_and_not_to_the_host(confined: Container, root: Path) -> None:
    assert words(confined, "put", "/etc/motd", "changed") == b"ok\n"
    assert words(confined, "put", "/new", "made") == b"ok\n"
    assert words(confined, "cat", "/etc/motd") == b"changed"
    assert (root / "etc" / "motd").read_text() == "inside\n"
    assert not (root / "new").exists()


def test_without_an_overlay_writes_reach_the_directory(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, unwanted=FORCE["overlay"])
    assert "overlay" not in container.in_force
    need(container.in_force, "root")
    assert words(container, "put", "/new", "made") == b"ok\n"
    assert (root / "new").read_text() == "made"


def test_names_are_made_moved_and_removed_as_on_linux(container: Container) -> None:
    assert words(container, "mkdir", "/d") == b"ok\n"
    assert words(container, "put", "/d/a", "x") == b"ok\n"
    assert words(container, "link", "/d/a", "/d/b") == b"ok\n"
    assert words(container, "rename", "/d/b", "/c") == b"ok\n"
    assert words(container, "symlink", "c", "/s") == b"ok\n"
    assert words(container, "cat", "/s") == b"x"
    assert words(container, "unlink", "/d/a") == b"ok\n"
    assert set(words(container, "list", "/d").split()) == {b".", b".."}
    assert words(container, "stat", "/c").split()[1] == b"1"
    assert words(container, "mkdir", "/d") == b"File exists\n"


@pytest.mark.parametrize(
    "path", ["/absolute", "/self", "/../secret", "../secret", "/etc/../../secret", "/proc/self/mem", "/proc/1/root"]
)
def test_no_path_leads_out_of_the_root(container: Container, path: str) -> None:
    out = words(container, "cat", path)
    assert b"outside" not in out
    assert out in DENIED | {b"Cross-device link\n"}


@pytest.mark.parametrize("outside", ["there", "missing"])
def test_a_slash_behind_a_link_tells_nothing_of_the_outside(container: Container, root: Path, outside: str) -> None:
    (root.parent / "there").mkdir()
    (root / "out").symlink_to(root.parent / outside)
    (root / "none").symlink_to(root.parent / "never")
    for command in ("stat", "link", "rename", "mkdir", "unlink"):
        second = ("/second",) if command in ("link", "rename") else ()
        assert words(container, command, "/out/", *second) == words(container, command, "/none/", *second)
    assert sorted(path.name for path in root.parent.iterdir()) == ["root", "secret", "there"]


@pytest.mark.parametrize("container", ["chroot", "bare"], indirect=True)  # an overlay's lower layer must not change
def test_a_directory_that_becomes_a_link_outwards_is_no_way_out(container: Container, root: Path) -> None:
    (root / "there").mkdir()
    (root / "there" / "secret").write_text("inside\n")
    (root / "link").symlink_to("..")
    stop = threading.Event()

    def swap() -> None:
        libc = ctypes.CDLL(None)
        names = bytes(root / "there"), bytes(root / "link")
        while not stop.is_set():
            libc.renameat2(-100, names[0], -100, names[1], 2)  # RENAME_EXCHANGE

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        right, wrong = map(int, words(container, "race", "/there/secret", "i", "20000").split())
    finally:
        stop.set()
        thread.join()
    assert wrong == 0
    assert right > 0


def test_a_link_upwards_stops_at_the_root(container: Container) -> None:
    assert words(container, "cat", "/upwards") == b"inside\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_node_in_the_root_is_not_opened(zygote: Zygote, root: Path) -> None:
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    for unwanted in (0, FORCE["overlay"]):
        container = zygote.create(root, EVERYTHING, unwanted=unwanted)
        assert words(container, "cat", "/null") == b"Permission denied\n"


def test_what_the_manifest_does_not_allow_is_eperm(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING - {"mkdirat", "openat"})
    assert words(container, "mkdir", "/d") == b"Operation not permitted\n"
    assert words(container, "cat", "/etc/motd") == b"Operation not permitted\n"
    assert words(container, "echo", "still") == b"still\n"


def test_a_guest_with_no_syscalls_at_all_ends_in_peace(zygote: Zygote, root: Path) -> None:
    result = zygote.create(root, ()).run("guest", "exit", "9")
    assert (result.status, result.out) == (9, b"")


# ---- limits


def test_memory_ends_at_the_limit(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, Limits(memory_bytes=32 << 20))
    assert 8 <= int(words(container, "grow", "1000")) <= 32


def test_a_module_larger_than_the_limit_is_refused(zygote: Zygote, root: Path) -> None:
    result = zygote.create(root, EVERYTHING, Limits(memory_bytes=4096)).run("guest", "echo")
    assert result.status == 125
    assert b"E_ENGINE_MEMORY" in result.err


def test_the_disk_ends_at_the_limit(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, Limits(disk_bytes=4 << 20))
    need(container.in_force, "overlay")
    kib, _, why = words(container, "fill", "100000").partition(b" ")
    assert why == b"No space left on device\n"
    assert 2048 <= int(kib) <= 4096


def test_open_files_end_at_the_limit(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, Limits(open_files=32))
    count, _, why = words(container, "open", "1000").partition(b" ")
    assert why in {b"No file descriptors available\n", b"Too many open files\n"}
    assert 16 <= int(count) <= 32


def test_processes_end_at_the_limit_and_begin_again_below_it(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, Limits(processes=3))
    with idle(container, 3) as pids:
        with pytest.raises(Refused, match="allows 3 processes"):
            container.run("guest", "echo")
        container.signal(pids[0], 9)
        assert container.wait(pids[0]) == -9
        assert words(container, "echo", "room") == b"room\n"


@contextmanager
def idle(container: Container, count: int) -> Iterator[list[int]]:
    """Guests that have begun, and wait for input which never comes."""
    in_reader, in_writer = os.pipe()
    out_reader, out_writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        pids = []
        for _ in range(count):
            pids.append(container.spawn("guest", "cat", fds=(in_reader, out_writer, null)))
            os.write(in_writer, b".")
            assert os.read(out_reader, 1) == b"."
        yield pids
    finally:
        for fd in (in_reader, in_writer, out_reader, out_writer, null):
            os.close(fd)


def test_a_guest_sees_one_mount_and_nothing_over_or_under_it(confined: Container) -> None:
    with idle(confined, 1):
        (pid,) = confined.host_pids()
        assert [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()] == ["/"]


# ---- network


def rule(port: int, *, bind: bool = False, address: str = "127.0.0.1", prefix: int = 32) -> bytes:
    return RULE.pack(bind, 4, prefix, port, socket.inet_aton(address))


def test_connect_goes_where_a_rule_allows_and_nowhere_else(zygote: Zygote, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as allowed, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(server.getsockname()[1]) for server in (allowed, other)]
        container = zygote.create(root, EVERYTHING, rules=[rule(int(ports[0]))])
        assert "net_ns" not in container.in_force
        assert words(container, "connect", ports[0]) == b"ok\n"
        assert words(container, "connect", ports[1]) == b"Permission denied\n"
        elsewhere = zygote.create(root, EVERYTHING, rules=[rule(0, address="10.0.0.0", prefix=8)])
        assert words(elsewhere, "connect", ports[0]) == b"Permission denied\n"


def test_a_guest_serves_where_a_rule_lets_it_bind(zygote: Zygote, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    container = zygote.create(root, EVERYTHING, rules=[rule(port, bind=True)])
    assert words(container, "serve", str(port + 1)) == b"Permission denied\n"
    assert words(container, "serve") == b"Permission denied\n"  # a port of the kernel's choice needs `*`
    reader, writer = os.pipe()
    pid = container.spawn("guest", "serve", str(port), fds=(reader, writer, writer))
    assert os.read(reader, 100) == b"listening\n"
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"echo")
        assert client.recv(100) == b"echo"
    assert container.wait(pid) == 0
    os.close(reader)
    os.close(writer)


def test_without_rules_there_is_no_network_at_all(confined: Container) -> None:
    assert "net_ns" in confined.in_force
    assert words(confined, "connect", "80") == b"Permission denied\n"


# ---- what is inherited


def test_a_guest_has_no_fd_of_the_engine_but_the_artifact(container: Container, root: Path) -> None:
    with idle(container, 1):
        (pid,) = container.host_pids()
        found = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    assert not [name for name in found if name.startswith("socket:")]
    rest = {name for name in found if not name.startswith(("pipe:", "/dev/null"))}
    assert rest <= {"/" if "root" in container.in_force else str(root), "/memfd:aot (deleted)"}


def test_what_is_required_and_cannot_be_had_refuses_the_container(zygote: Zygote, root: Path) -> None:
    with pytest.raises(Refused, match="E_SANDBOX: required and not to be had here: bits 0x100"):
        zygote.create(root, EVERYTHING, unwanted=FORCE["overlay"], required=FORCE["overlay"])
    assert zygote.create(root, EVERYTHING, required=FORCE["seccomp"]).run("guest", "exit", "0").status == 0


@pytest.mark.parametrize(
    "limits",
    [Limits(processes=0), Limits(processes=5000), Limits(open_files=3), Limits(memory_bytes=0)],
)
def test_limits_without_sense_are_refused(zygote: Zygote, root: Path, limits: Limits) -> None:
    with pytest.raises(Refused, match="E_USAGE"):
        zygote.create(root, EVERYTHING, limits)
