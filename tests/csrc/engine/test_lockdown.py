"""What is left to someone who runs his own machine code in the zygote, in a container's first process, in a guest."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from tests.csrc.engine.client import Container, Zygote
from tests.csrc.engine.conftest import EVERYTHING
from tests.csrc.engine.inject import syscall_in
from tests.csrc.engine.test_confined import idle

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="ptrace of another's process needs root"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64"),
]

PROT_READ, PROT_WRITE, PROT_EXEC, PRIVATE_ANONYMOUS = 1, 2, 4, 0x22
RWX = PROT_READ | PROT_WRITE | PROT_EXEC

# name: number, arguments. In no life of the engine.
NEW_CODE = {
    "mmap PROT_EXEC": (9, 0, 4096, RWX, PRIVATE_ANONYMOUS, -1, 0),
    "mmap PROT_EXEC, high bits set": (9, 0, 4096, RWX | 1 << 32, PRIVATE_ANONYMOUS, -1, 0),
    "mprotect PROT_EXEC": (10, 0, 4096, PROT_READ | PROT_EXEC),
    "pkey_mprotect": (329, 0, 4096, PROT_READ | PROT_EXEC, 0),
    "execve": (59, 0, 0, 0),
    "execveat": (322, -100, 0, 0, 0, 0),
    "memfd_create": (319, 0, 0),
    "memfd_secret": (447, 0),
    "shmget": (29, 0, 4096, 0o1777),
    "shmat": (30, 0, 0, 0),
    "personality READ_IMPLIES_EXEC": (135, 0x0400000),
    "modify_ldt": (154, 0, 0, 0),
    "uselib": (134, 0),
    "remap_file_pages": (216, 0, 0, 0, 0, 0),
}
OTHERS = {
    "ptrace": (101, 16, 1, 0, 0),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0),
    "process_madvise": (440, 0, 0, 0, 0, 0),
    "pidfd_open": (434, 1, 0),
    "pidfd_getfd": (438, 0, 0, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "bpf": (321, 0, 0, 0),
    "userfaultfd": (323, 0),
    "io_uring_setup": (425, 1, 0),
    "keyctl": (250, 0, 0, 0, 0, 0),
    "add_key": (248, 0, 0, 0, 0, 0),
    "init_module": (175, 0, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "reboot": (169, 0, 0, 0),
    "swapon": (167, 0, 0),
    "settimeofday": (164, 0, 0),
    "unshare": (272, 0x10000000),
    "setns": (308, 0, 0),
    "clone3": (435, 0, 0),
    "open": (2, 0, 0, 0),
    "creat": (85, 0, 0),
    "name_to_handle_at": (303, 0, 0, 0, 0, 0),
    "open_by_handle_at": (304, 0, 0, 0),
    "mknodat": (259, -100, 0, 0o020666, 0x103),
    "setuid": (105, 0),
    "setresuid": (117, 0, 0, 0),
    "setgroups": (116, 0, 0),
    "iopl": (172, 3),
    "quotactl": (179, 0, 0, 0, 0),
    "acct": (163, 0),
    "syslog": (103, 3, 0, 0),
    "vhangup": (153,),
    "getpid by the x32 ABI": (0x40000000 | 39,),
}
# What only a zygote needs.
OF_THE_ZYGOTE = {
    "mount": (165, 0, 0, 0, 0, 0),
    "umount2": (166, 0, 2),
    "pivot_root": (155, 0, 0),
    "chroot": (161, 0),
    "fsopen": (430, 0, 0),
    "open_tree": (428, -100, 0, 1),
    "move_mount": (429, -100, 0, -100, 0, 0),
    "mount_setattr": (442, -100, 0, 0, 0, 0),
    "openat": (257, -100, 0, 0, 0),
    "capset": (126, 0, 0),
    "sethostname": (170, 0, 0),
    "socketpair AF_INET": (53, 2, 5, 0, 0),
    "clone CLONE_NEWUSER": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "prctl PR_SET_MM": (157, 35, 0, 0, 0, 0),
}
# What only a container's first process needs.
OF_A_CONTAINER = {
    "clone": (56, 17, 0, 0, 0, 0),
    "fork": (57,),
    "vfork": (58,),
    "kill of another": (62, 1, 9),
    "tgkill of another": (234, 1, 1, 9),
    "sendmsg": (46, 0, 0, 0),
    "recvmsg": (47, 0, 0, 0),
    "socketpair": (53, 1, 5, 0, 0),
    "ioctl TIOCSTI": (16, 0, 0x5412, 0),
    "setsid": (112,),
    "prctl": (157, 1, 0, 0, 0, 0),
    "seccomp": (317, 0, 0, 0),
    "prlimit64": (302, 0, 7, 0, 0),
    "dup2": (33, 0, 1),
}
OF_NO_GUEST = {**NEW_CODE, **OTHERS, **OF_THE_ZYGOTE, **OF_A_CONTAINER}


def dies(pid: int, call: tuple[int, ...]) -> None:
    with pytest.raises(ProcessLookupError):
        syscall_in(pid, *call)


def test_the_probe_itself_works(container: Container) -> None:
    with idle(container, 1) as (pid,):
        (host_pid,) = container.host_pids()
        assert syscall_in(host_pid, 39) == pid
        assert syscall_in(host_pid, 10, 0, 0, PROT_READ) == 0
        assert syscall_in(host_pid, 3, 999) == -9


@pytest.mark.parametrize("name", OF_NO_GUEST)
def test_a_guest_dies_of(shared_container: Container, name: str) -> None:
    with idle(shared_container, 1) as (pid,):
        (host_pid,) = shared_container.host_pids()
        dies(host_pid, OF_NO_GUEST[name])
        assert shared_container.wait(pid) == -31
    assert shared_container.run("guest", "echo", "next").out == b"next\n"


@pytest.mark.parametrize("name", [*NEW_CODE, *OTHERS, *OF_THE_ZYGOTE])
def test_a_container_dies_of(zygote: Zygote, root: Path, name: str) -> None:
    container = zygote.create(root, EVERYTHING)
    dies(container.pid, {**NEW_CODE, **OTHERS, **OF_THE_ZYGOTE}[name])
    assert zygote.control.notice(0x4002, container.pid).value[2] == 31


@pytest.mark.parametrize("name", [*NEW_CODE, *OTHERS])
def test_a_zygote_dies_of(artifact: Path, name: str) -> None:
    with Zygote() as zygote:
        zygote.load(artifact)
        dies(zygote.process.pid, {**NEW_CODE, **OTHERS}[name])


def test_a_policy_without_a_syscall_kills_whoever_makes_it(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, {"read", "write"})
    with idle(container, 1):
        (pid,) = container.host_pids()
        dies(pid, (41, 2, 1, 0))  # socket


def test_each_life_is_under_one_filter_more_and_has_no_privileges(container: Container) -> None:
    with idle(container, 1):
        (guest,) = container.host_pids()
        for pid, filters in ((container.pid, 2), (guest, 3)):
            status = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
            )
            assert status["Seccomp"] == "2"
            assert int(status["Seccomp_filters"]) >= filters
            assert status["NoNewPrivs"] == "1"
            assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


def test_no_page_is_writable_and_executable(container: Container) -> None:
    with idle(container, 1):
        (guest,) = container.host_pids()
        maps = [line.split()[1] for line in Path(f"/proc/{guest}/maps").read_text().splitlines()]
        assert not [mode for mode in maps if "w" in mode and "x" in mode]
