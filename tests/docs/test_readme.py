"""README.md, run as it stands: its commands work, and its transcript is what they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recompiler.lift.object.objectrun import HOST
from tests.bundles import BUILT
from tests.testbed import ROOT

README = (ROOT / "README.md").read_text()
SHELL_BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
TRANSCRIPTS = dict(re.findall(r"^<!-- transcript: (\S+) -->\n```console\n(.*?)^```$", README, re.M | re.S))
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def normalised(text: str) -> list[str]:
    """Lines without what differs from one key, day and machine to the next: digests, and paths of this machine."""
    text = text.replace(f"{ROOT}/", "")
    text = re.sub(r"\S+/tmp\.\w+/", "<mktemp -d>/", text)
    text = re.sub(r"\b[0-9a-f]{16,64}\b", "<hex>", text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_first_block_names_targets_of_the_makefile() -> None:
    targets = re.findall(r"^make (\w+)", SHELL_BLOCKS[0], re.M)
    assert targets == ["demo", "test"]
    result = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_use_it_block_runs_from_top_to_bottom(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    shutil.copy(ROOT / "examples" / "hello" / "hello.c", tmp_path)
    (tmp_path / "data").mkdir()
    command = ["bash", "-eu", "-c", SHELL_BLOCKS[1]]
    result = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "hello from wasm, one, two\n" in result.stdout
    assert "chain intact" in result.stdout


@pytest.mark.skipif(not BUILT, reason="no engine was built for this machine")
def test_the_bundle_block_runs_after_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in ("freq.c", "table.c", "app.log"):
        shutil.copy(ROOT / "examples" / "multitool" / name, tmp_path)
    keys = "".join(line for line in SHELL_BLOCKS[1].splitlines(keepends=True) if "dev.pub" in line)
    result = subprocess.run(
        ["bash", "-eu", "-c", keys + SHELL_BLOCKS[2]],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "2 entries" in result.stdout
    assert "08:00:02  ERROR  disk   full  on  a\n" in result.stdout
    assert "chain intact" in result.stdout


@pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
def test_the_block_of_the_lifter_runs(tmp_path: Path) -> None:
    for name in ("freq.c", "app.log"):
        shutil.copy(ROOT / "examples" / "multitool" / name, tmp_path)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", SHELL_BLOCKS[3]],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    with open(tmp_path / "app.log", "rb") as log:
        native = subprocess.run([tmp_path / "freq"], stdin=log, capture_output=True, text=True, timeout=20, check=True)
    assert result.stdout.startswith(native.stdout)
    assert "function main at 0x" in result.stdout
    assert "lifted object of" in result.stdout


def demo(name: str, tmp_path: Path) -> str:
    """What a demo prints in a copy, so that it makes its keys anew and a running `make demo` is not disturbed."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "keys").mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    result = subprocess.run(
        ["sh", name],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout.replace(f"{tmp_path}/", "")


def test_the_transcripts_are_those_of_make_demo() -> None:
    result = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert sorted(TRANSCRIPTS) == sorted(re.findall(r"sh (examples/\S+)", result.stdout))


def test_transcript_is_what_the_demo_prints(tmp_path: Path) -> None:
    name = "examples/hello/demo.sh"
    assert normalised(TRANSCRIPTS[name]) == normalised(demo(name, tmp_path))


@pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
def test_transcript_of_the_lifted_programs_is_what_the_demo_prints(tmp_path: Path) -> None:
    name = "examples/lifted/demo.sh"
    shown, printed = (without_numbers(text) for text in (TRANSCRIPTS[name], demo(name, tmp_path)))
    second = next(line for line in shown if line.startswith("# A program that is compiled here"))
    assert shown[shown.index(second) :] == printed[printed.index(second) :]
    # Which program of the machine is lifted depends on the machine: here Debian's ldconfig, elsewhere another or none.
    if shown[0] == printed[0]:
        assert shown == printed


def without_numbers(text: str) -> list[str]:
    """Lines without times, and without the sizes of a program that each release of a distribution builds anew."""
    return [re.sub(r"\b[0-9]+(\.[0-9]+)?\b", "<n>", line) for line in normalised(text)]
