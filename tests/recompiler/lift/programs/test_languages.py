"""Whole static programs of Rust, Go and Lua: lifted, they do as they do natively."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from recompiler.lift import lifter
from tests.recompiler.lift.programs.executable import HOST, Executable, Run
from tests.testbed import FIGURES, ROOT

pytestmark = [
    pytest.mark.figures,
    pytest.mark.skipif(not FIGURES, reason="long: make figures"),
    pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine"),
]
HERE = Path(__file__).parent / "languages"
LINES = b"one\ntwo words\nthree\n"


def command(name: str, variable: str, package: str) -> str:
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        pytest.skip(f"no {name} here: apt-get install {package} (or {variable}=path)")
    return found


def built(words: Sequence[str | Path], path: Path, **environment: str) -> Executable:
    result = subprocess.run(
        words, cwd=path.parent, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return Executable(path, lambda data: lifter.lift(data, jobs=2))


def check(executable: Executable, runs: Sequence[Run], folder: Path) -> None:
    differences = [line for run in runs for line in executable.differences(run, folder / "run")]
    assert not differences, "\n".join(differences)


def test_a_rust_program_does_as_the_native_one(tmp_path: Path) -> None:
    rustc = command("rustc", "RUSTC", "rustc")
    options = ["-C", "target-feature=+crt-static", "-C", "opt-level=2", "-C", "overflow-checks=on"]
    path = tmp_path / "rust"
    executable = built([rustc, *options, "-o", path, HERE / "whole.rs"], path)
    hows = ("", "panic", "overflow", "index", "exit", "abort")
    check(executable, [Run((how,), LINES) for how in hows], tmp_path)


def test_a_go_program_does_as_the_native_one(tmp_path: Path) -> None:
    go = command("go", "GO", "golang-go")
    path = tmp_path / "go"
    more = {"CGO_ENABLED": "0", "GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache")}
    executable = built([go, "build", "-o", path, HERE / "whole.go"], path, **more)
    check(executable, [Run((), LINES), Run(("seven",))], tmp_path)


def test_lua_does_as_the_native_one(tmp_path: Path) -> None:
    prefix = Path(os.environ.get("LUA_PREFIX", "/usr"))
    library = prefix / "lib/x86_64-linux-gnu/liblua5.4.a"
    if not library.exists():
        pytest.skip("no liblua5.4.a here: apt-get install liblua5.4-dev (or LUA_PREFIX=path)")
    gcc = command("gcc", "CC", "gcc")
    include = [f"-I{prefix}/include/lua5.4", f"-I{prefix}/include/x86_64-linux-gnu"]
    source = ROOT / "tests/bench/lift_lua.c"
    path = tmp_path / "lua"
    executable = built([gcc, "-O2", "-static", *include, source, library, "-lm", "-ldl", "-o", path], path)
    script = {"whole.lua": (HERE / "whole.lua").read_bytes()}
    check(executable, [Run(("whole.lua",), LINES, script), Run(("none.lua",))], tmp_path)


def test_bash_does_as_the_native_one(tmp_path: Path) -> None:
    bash = command("bash-static", "BASH_STATIC", "bash-static")
    path = tmp_path / "bash"
    shutil.copy(bash, path)
    executable = Executable(path, lambda data: lifter.lift(data, jobs=2))
    script = (HERE / "whole.bash").read_bytes()
    files = {"whole.bash": script, "list": b"a\nb\nc d\n", "table": b"1,2,3,4\nx,,y\n", "d/": b""}
    check(executable, [Run(("whole.bash",), b"", files), Run((), b"echo $BASH_VERSION; exit 3")], tmp_path)
