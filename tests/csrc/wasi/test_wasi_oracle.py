"""The same wasm32-wasi program under wasmtime's WASI and in the stub over a vkernel: one output, one exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed import Signer, run_guest

GUESTS = Path(__file__).with_name("guests")
# Lines in which wasmtime differs: what a native Linux program would print, and why wasmtime does not.
DIFFER = {
    "files": {
        "writev: 13": "wasmtime writes the first buffer of a vector alone",
        "preadv: 10": "likewise for reads",
    },
    "directory": {
        "removed while listing: 500": "wasmtime's cookies count entries, so a directory that shrinks loses some",
    },
    "process": {
        "poll of a closed fd: 1 1": "wasmtime's poll_oneoff fails as a whole, so POLLNVAL cannot be told",
    },
}

WASMTIME = """
import sys, wasmtime
module, root, *arguments = sys.argv[1:]
engine = wasmtime.Engine()
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = ["guest", *arguments]
wasi.env = [("GUEST", "yes")]
wasi.inherit_stdin(), wasi.inherit_stdout(), wasi.inherit_stderr()
wasi.preopen_dir(root, "/")
store.set_wasi(wasi)
instance = linker.instantiate(store, wasmtime.Module.from_file(engine, module))
try:
    instance.exports(store)["_start"](store)
except wasmtime.ExitTrap as e:
    sys.exit(e.code)
"""


def lines(output: bytes, name: str) -> list[str]:
    """The lines that must agree."""
    labels = {line.split(":")[0] for line in DIFFER[name]}
    return [line for line in output.decode().splitlines() if line.split(":")[0] not in labels]


@pytest.mark.parametrize("name", sorted(DIFFER))
def test_stub_and_wasmtime_agree(
    name: str,
    signer: Signer,
    compile_guest: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wasm = compile_guest(GUESTS / f"{name}.c")
    for folder in ("theirs", "ours"):
        (tmp_path / folder).mkdir()
    arguments, stdin = ["one", "", "drei und vier"], b"first\nsecond\n"
    command = [sys.executable, "-c", WASMTIME, str(wasm), str(tmp_path / "theirs"), *arguments]
    theirs = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    monkeypatch.setenv("GUEST", "yes")
    program = signer.sign(wasm, f"demo/{name}")
    ours = run_guest(signer, program, *arguments, input=stdin, options=["--root", tmp_path / "ours"])
    assert lines(ours.stdout, name) == lines(theirs.stdout, name)
    assert set(DIFFER[name]) <= set(ours.stdout.decode().splitlines())
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
