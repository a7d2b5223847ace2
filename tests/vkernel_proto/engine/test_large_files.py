"""Files that take long to hash hold up nobody but who asked for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.bundles import TestBundle
from tests.vkernel_proto.engine.serving import NULL, Running, eventually, output, serving
from vkernel_proto.hashes import LARGE
from vkernel_proto.wire.client import Control

GIANTS = 16  # each another file: the verdict on one is not remembered for the next
SIZE = 5 * LARGE


@pytest.fixture(scope="module")
def served(bundle: TestBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("large")
    root = folder / "root"
    shutil.copytree(bundle.rootfs, root)
    for number in range(GIANTS):
        with (root / f"giant{number}").open("wb") as file:
            file.truncate(SIZE)
        (root / f"giant{number}").chmod(0o755)
    (folder / "run").mkdir()
    with serving(bundle, folder / "run", "one", "two", root=root) as running:
        yield running


def ask_for_giants(control: Control) -> list[int]:
    return [
        control.request("exec", path=f"/giant{number}", argv=["x"]) for number in range(GIANTS)
    ]  # fmt: skip


def test_a_neighbour_starts_while_giants_are_hashed(served: Running) -> None:
    one, two = served.control("one"), served.control("two")
    asked = ask_for_giants(one)
    assert output(two, "guest", "echo", "x") == (0, b"x\n")
    assert len(served.records("deny")) < GIANTS
    assert output(served.control("one"), "guest", "echo", "x") == (0, b"x\n")
    assert {one.answer(number)["reason"] for number in asked} == {"unknown hash"}
    assert len({row["hash"] for row in served.records("deny")}) == 1  # as many zeros each


def test_a_large_spawn_has_its_verdict_and_its_fds_are_closed(served: Running) -> None:
    control = served.control("two")
    before = len(os.listdir("/proc/self/fd"))
    number = control.request("spawn", (NULL, NULL, NULL), path="/giant0", argv=["x"], env={}, cwd="/", tty=False)
    assert control.answer(number)["reason"] == "unknown hash"
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_container_may_end_while_its_giants_are_hashed(served: Running) -> None:
    control, other = served.control("two"), served.control("two")
    ready = len(os.listdir("/proc/self/fd"))
    asked = ask_for_giants(control)
    assert other.ask("stop")["status"] == "ok"
    reasons = {control.answer(number)["reason"] for number in asked}
    assert reasons == {"unknown hash"}
    assert output(other, "guest", "echo", "x") == (0, b"x\n")
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= ready)
