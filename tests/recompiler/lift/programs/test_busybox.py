"""A static busybox, lifted, does what it does natively: output, status and files of each invocation of the table."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from recompiler.lift import lifter
from recompiler.lift.elf import binary
from tests.recompiler.lift.programs import busybox
from tests.recompiler.lift.programs.executable import HOST, Executable
from tests.testbed import FIGURES

pytestmark = [
    pytest.mark.figures,
    pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine"),
]
FEW = 16  # invocations without the long counts


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Executable:
    found = os.environ.get("BUSYBOX") or shutil.which("busybox")
    if not found:
        pytest.skip("no busybox here: apt-get install busybox-static (or BUSYBOX=path of one)")
    path = tmp_path_factory.mktemp("busybox") / "busybox"
    shutil.copy(found, path)
    if binary.load(path.read_bytes()).interpreter:
        pytest.skip(f"{found} is not static: apt-get install busybox-static (or BUSYBOX=path of one)")
    return Executable(path, lambda data: lifter.lift(data, jobs=2))


def test_busybox_does_as_the_native_one(executable: Executable, tmp_path: Path) -> None:
    table = busybox.invocations()
    table = table if FIGURES else table[:: len(table) // FEW]
    differences = [line for _, run in table for line in executable.differences(run, tmp_path / "run")]
    assert not differences, "\n".join(differences)
    answer = subprocess.run([executable.path, "--list"], capture_output=True, text=True, check=True, timeout=20)
    applets = {run.arguments[0] for _, run in table} & set(answer.stdout.split())
    print(f"busybox: {len(table)} invocations of {len(applets)} applets, all equal")
    if FIGURES:
        assert len(table) >= 120
        assert len(applets) >= 80
