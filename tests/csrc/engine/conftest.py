"""What the engine's tests share: one guest compiled to an artifact, and containers as root and as an ordinary user."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from recompiler import aot
from tests.csrc.engine.client import ENGINE, TARGET, Container, Zygote, numbers

HERE = Path(__file__).parent
NOBODY = 65534
EVERYTHING = frozenset(numbers())
SEPARATE = ("root", "overlay", "pid_ns", "net_ns")  # what has to be in force that a container sees nothing of another


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    if not ENGINE.exists():
        pytest.skip("no engine was built for this machine")


@pytest.fixture(scope="session")
def artifact(engine: None, compile_guest: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """guest.c, compiled ahead of time."""
    path = tmp_path_factory.mktemp("aot") / "guest.cwasm"
    path.write_bytes(aot.compile_module(compile_guest(HERE / "guest.c").read_bytes(), TARGET))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A container's root with a file and links that want to leave it. Anyone may use it: an ordinary user has to."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    top = tmp_path / "root"
    (top / "etc").mkdir(parents=True)
    (top / "etc" / "motd").write_text("inside\n")
    for path, mode in ((top, 0o777), (top / "etc", 0o777), (top / "etc" / "motd", 0o666)):
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)  # a user namespace copies up only what is its user's
    (tmp_path / "secret").write_text("outside\n")
    (top / "absolute").symlink_to(tmp_path / "secret")
    (top / "upwards").symlink_to("../../../../../../../../../../etc/motd")
    (top / "self").symlink_to("/proc/self/root/etc/motd")
    return top


POOR = (sys.executable, str(HERE / "poor.py"))
REFUSED = (sys.executable, str(HERE / "refused.py"))
WAYS = {
    "root": {},
    "user": {"uid": NOBODY},
    "chroot": {"prefix": (*POOR, "0")},  # no namespace can be had
    "bare": {"prefix": (*POOR, "1000")},  # and no chroot
}


@pytest.fixture(scope="session")
def poor_ways() -> bool:
    """Whether this machine lets the tests make the user namespace of poor.py."""
    return subprocess.run([*POOR, "1000", "/bin/true"], capture_output=True, timeout=20, check=False).returncode == 0


@functools.cache
def engine_for_all() -> bool:
    """Whether an ordinary user may execute the engine: a checkout below a directory of mode 0700 is root's alone."""
    try:
        subprocess.run([ENGINE], user=NOBODY, capture_output=True, timeout=20, check=False)
    except PermissionError:
        return False
    return True


def need_ordinary_user() -> None:
    """Skips, aloud, what root runs as an ordinary user."""
    if not engine_for_all():
        pytest.skip("an ordinary user may not execute the engine here: a directory above it is closed to others")


def need(in_force: Collection[str], *names: str) -> None:
    """Skips, aloud, a test of what this kernel or user cannot have."""
    if missing := set(names).difference(in_force):
        pytest.skip(f"not to be had here: {', '.join(sorted(missing))}")


@pytest.fixture(scope="session")
def zygotes(artifact: Path) -> Iterator[Callable[[str], Zygote]]:
    """One loaded zygote per way, for all tests that do not kill it."""
    with ExitStack() as stack:
        made: dict[str, Zygote] = {}

        def zygote_of(way: str) -> Zygote:
            if way not in made:
                options = dict(WAYS[way])
                if os.geteuid() != 0:
                    if way == "root":
                        pytest.skip("not root")
                    options.pop("uid", None)
                elif "uid" in options:
                    need_ordinary_user()
                made[way] = stack.enter_context(Zygote(**options))  # type: ignore[arg-type]
                made[way].load(artifact)
            return made[way]

        yield zygote_of


@pytest.fixture
def zygote(zygotes: Callable[[str], Zygote]) -> Zygote:
    return zygotes("root" if os.geteuid() == 0 else "user")


@pytest.fixture(params=WAYS)
def container(
    request: pytest.FixtureRequest, zygotes: Callable[[str], Zygote], root: Path, poor_ways: bool
) -> Iterator[Container]:
    """A container with every syscall; of an engine that runs as root, as a user, and where little can be had."""
    if "prefix" in WAYS[request.param] and not poor_ways:
        pytest.skip("no user namespace can be made here")
    with zygotes(request.param).create(root, EVERYTHING) as container:
        yield container


@pytest.fixture(params=["root", "user"])
def confined(request: pytest.FixtureRequest, zygotes: Callable[[str], Zygote], root: Path) -> Iterator[Container]:
    """A container that has namespaces."""
    with zygotes(request.param).create(root, EVERYTHING) as container:
        need(container.in_force, *SEPARATE)
        yield container


@pytest.fixture(scope="module")
def shared_container(zygotes: Callable[[str], Zygote], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """One container for many tests that only kill guests."""
    with zygotes("root").create(tmp_path_factory.mktemp("root"), EVERYTHING) as container:
        yield container
