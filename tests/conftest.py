"""What the tests share: a development key, its store, and signed guests built from C."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIGURES = os.environ.get("RECOMPILER_FIGURES") == "1"  # make figures: the long counts
STUB = f"{platform.machine()}-linux-dev"


def recompiler(*arguments: str | Path, check: bool = True, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the recompiler command line; fails the test with its output when check and the status is not 0."""
    command = [sys.executable, "-m", "recompiler", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, timeout=120, check=False, **options)  # type: ignore[call-overload]
    if check and result.returncode != 0:
        pytest.fail(f"{' '.join(command[3:])}: exit {result.returncode}\n{result.stdout!r}\n{result.stderr!r}")
    return result  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Signer:
    """A development key and the store that trusts it, in a private directory."""

    folder: Path
    key: Path
    pubkeys: Path

    def sign(self, wasm: Path, name: str, *manifest_options: str, stub: str = STUB) -> Path:
        """A signed executable around wasm; manifest_options go to `recompiler manifest`."""
        manifest = wasm.with_suffix(".json")
        output = wasm.with_suffix("")
        recompiler("manifest", "--name", name, *manifest_options, wasm, "-o", manifest, "--force")
        options = ["--blob", wasm, "--manifest", manifest, "--key", self.key, "--force"]
        recompiler("append", *options, stub, "-o", output)
        return output


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    recompiler("keygen", "--dev", "--label", "test", "-o", folder / "dev.key")
    recompiler("pubkeys", "--role", "dev", folder / "dev.pub", "-o", folder / "pubkeys.json")
    return Signer(folder, folder / "dev.key", folder / "pubkeys.json")


@pytest.fixture(scope="session")
def compile_guest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Compiles a C file to wasm once per session."""
    folder = tmp_path_factory.mktemp("guests")
    done: dict[Path, Path] = {}

    def build(source: Path) -> Path:
        if source not in done:
            done[source] = folder / (source.stem + ".wasm")
            recompiler("cc", source, "-o", done[source])
        return done[source]

    return build


@pytest.fixture
def echo_server() -> Iterator[tuple[int, list[bytes]]]:
    """A TCP server on loopback that answers one line in upper case; gives its port and what it received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # nobody came: the test says so
            with peer, peer.makefile("rwb") as stream:
                peer.settimeout(20)
                received.append(stream.readline())
                stream.write(received[0].upper())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], received
    thread.join(20)


def run_guest(
    signer: Signer, program: Path, *arguments: str, options: Sequence[str | Path] = (), **more: object
) -> subprocess.CompletedProcess[bytes]:
    """`recompiler run` with the test's key store; the status is the program's own."""
    return recompiler("run", "--pubkeys", signer.pubkeys, *options, program, *arguments, check=False, **more)
