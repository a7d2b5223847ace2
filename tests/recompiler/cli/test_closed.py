"""Commands that are started with fds 0, 1 or 2 closed, as `>&-` does: a guest finds closed what its caller closed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from recompiler.lift.object.objectrun import HOST
from tests.bundles import BUILT, TestBundle, make_bundle
from tests.csrc.engine.served import VKEXEC, Served, serving
from tests.testbed import Signer, recompiler

SOURCE = Path(__file__).with_name("told.c")
COMMAND = (sys.executable, "-m", "recompiler")
CLOSED = [(0,), (1,), (2,), (0, 1, 2)]


def started(
    command: Sequence[str | Path], closed: Sequence[int], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command as a shell does that was told to close these fds; the others are /dev/null and pipes."""
    signs = {0: "<&-", 1: ">&-", 2: "2>&-"}
    line = f"exec {shlex.join(map(str, command))} {' '.join(signs[fd] for fd in closed)}"
    return subprocess.run(
        ["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False, env=env
    )


def finds_closed_what_was_closed(command: Sequence[str | Path], closed: Sequence[int]) -> bool:
    done = started(command, closed)
    expected = (sum(1 << fd for fd in closed), b"" if 1 in closed else b"out\n", b"" if 2 in closed else b"err\n")
    assert (done.returncode, done.stdout, done.stderr) == expected
    return True


@pytest.fixture(scope="module")
def told(compile_guest: Callable[[Path], Path]) -> Path:
    """The guest as a module."""
    return compile_guest(SOURCE)


@pytest.fixture(scope="module")
def signed(signer: Signer, told: Path) -> Path:
    return signer.sign(told, "test/told")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program for this machine."""
    path = tmp_path_factory.mktemp("native") / "told"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", f"{os.uname().machine}-linux-musl", "-O1", "-static"]
    if os.uname().machine == "x86_64":
        command.append("-mcpu=x86_64")
    subprocess.run([*command, SOURCE, "-o", path], check=True, timeout=300)
    return path


@pytest.fixture(scope="module")
def container(signer: Signer, told: Path, tmp_path_factory: pytest.TempPathFactory) -> TestBundle:
    if not BUILT:
        pytest.skip("no engine was built for this machine")
    folder = tmp_path_factory.mktemp("told")
    folder.chmod(0o755)
    return make_bundle(folder, signer, {"/bin/told": told.read_bytes()})


@pytest.fixture(scope="module")
def served(container: TestBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(container, tmp_path_factory.mktemp("served"), "demo") as served:
        yield served


@pytest.mark.parametrize("closed", CLOSED)
def test_the_native_program_tells_what_was_closed(native: Path, closed: tuple[int, ...]) -> None:
    """What the others are held against."""
    assert finds_closed_what_was_closed([native], closed)


@pytest.mark.parametrize("closed", CLOSED)
def test_run_of_a_signed_file_gives_it_the_fds_as_they_are(
    signer: Signer, signed: Path, closed: tuple[int, ...]
) -> None:
    assert finds_closed_what_was_closed([*COMMAND, "run", "--pubkeys", signer.pubkeys, signed], closed)


@pytest.mark.parametrize("closed", CLOSED)
def test_run_of_a_bundle_gives_the_program_the_fds_as_they_are(container: TestBundle, closed: tuple[int, ...]) -> None:
    command = [*COMMAND, "run", "--pubkeys", container.signer.pubkeys, container.folder, "--", "told"]
    assert finds_closed_what_was_closed(command, closed)


@pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
@pytest.mark.parametrize("closed", CLOSED)
def test_run_of_a_lifted_program_gives_it_the_fds_as_they_are(
    native: Path, tmp_path_factory: pytest.TempPathFactory, closed: tuple[int, ...]
) -> None:
    lifted = native.with_name("told.lifted")
    if not lifted.exists():
        recompiler("lift", native, "-o", lifted)
    assert finds_closed_what_was_closed([*COMMAND, "run", lifted], closed)


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("client", [[VKEXEC], [*COMMAND, "exec"]], ids=["vkexec", "exec"])
def test_a_program_started_in_a_container_has_the_fds_as_they_are(
    served: Served, client: list[str | Path], closed: tuple[int, ...]
) -> None:
    """Its output is never the client's own socket to the vkernel."""
    assert finds_closed_what_was_closed([*client, "--run-dir", served.run_dir, "demo", "--", "told"], closed)


@pytest.mark.parametrize(
    "arguments",
    ["--help", "verify --help", "verify --pubkeys PUBKEYS FILE", "inspect FILE", "inspect --json FILE"],
)
def test_a_command_whose_output_is_closed_says_so_in_one_line(signer: Signer, signed: Path, arguments: str) -> None:
    words = [{"PUBKEYS": signer.pubkeys, "FILE": signed}.get(word, word) for word in arguments.split()]
    done = started([*COMMAND, *words], [1])
    assert (done.returncode, done.stderr) == (3, b"recompiler: E_OUTPUT: the standard output is closed\n")
    assert started([*COMMAND, *words], [1, 2]).returncode == 3
    assert started([*COMMAND, *words], [0, 2]).returncode == 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_refusal_keeps_its_status_whatever_is_closed(signer: Signer, native: Path, options: list[str]) -> None:
    command = [*COMMAND, "verify", *options, "--pubkeys", signer.pubkeys, native]
    for closed in CLOSED:
        done = started(command, closed)
        assert done.returncode == (3 if options and 1 in closed else 10)
        assert b"Traceback" not in done.stderr


def test_the_vkernels_commands_say_so_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vkernel_proto"]
    line = b"vkernel: E_OUTPUT: the standard output is closed\n"
    for words in (["--help"], ["ps", "--help"]):
        done = started([*command, *words], [1])
        assert (done.returncode, done.stderr) == (3, line)
    for closed in CLOSED:
        done = started([*command, "ps", "--cid", "absent", "--run-dir", tmp_path, "--json"], closed)
        assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


def test_vkexec_does_not_say_help_to_a_closed_output() -> None:
    if not BUILT:
        pytest.skip("no engine was built for this machine")
    assert started([VKEXEC, "--help"], [1]).returncode == 125
    assert started([VKEXEC, "--help"], [0, 2]).returncode == 0
