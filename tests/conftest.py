"""What the tests share: a development key, its store, and signed guests built from C."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bundles import BUILT, TestBundle, make_bundle
from tests.testbed import ROOT, Signer, recompiler


def pytest_configure() -> None:
    """What processes of tests would inherit: a shell ignores SIGINT in what it starts in the background, and a umask of
    0002 makes directories that are refused on the way to a key store or a socket."""
    os.umask(0o022)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
        listener.settimeout(100)

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # nobody came: the test says so
            with peer, peer.makefile("rwb") as stream:
                peer.settimeout(100)
                received.append(stream.readline())
                stream.write(received[0].upper())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], received
    thread.join(20)


@pytest.fixture(scope="session")
def bundle_programs(compile_guest: Callable[[Path], Path]) -> dict[str, bytes]:
    """What is in `bundle`: path in its rootfs -> the program."""
    sources = {
        "/bin/guest": "csrc/engine/guest.c",
        "/bin/echo": "recompiler/merge/programs/echo.c",
        "/bin/wc": "recompiler/merge/programs/wc.c",
    }
    return {path: compile_guest(ROOT / "tests" / source).read_bytes() for path, source in sources.items()}


@pytest.fixture(scope="session")
def bundle(signer: Signer, bundle_programs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> TestBundle:
    """A signed bundle of tests/csrc/engine/guest.c, echo, wc and scripts; anyone may read it, no test changes it."""
    if not BUILT:
        pytest.skip("no engine was built for this machine")
    scripts = {
        "/bin/script": ("#!/bin/guest echo\n", "/bin/guest"),
        "/bin/found": ("#!/usr/bin/env echo\n", "/bin/echo"),
    }
    folder = tmp_path_factory.mktemp("bundle")
    folder.chmod(0o755)
    return make_bundle(folder, signer, bundle_programs, scripts)
