"""A script runs the signed interpreter, found in the container at this moment, or nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vkernel_proto.controlled import FILES, HASH, STRANGE, World, digest, overlaid, plain
from vkernel_proto import controller

SH, WC = FILES["/usr/bin/sh"], FILES["/usr/bin/wc"]


@pytest.fixture(params=[plain, overlaid])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with request.param(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "argv"),
    [
        ("/usr/bin/hello", ["/bin/sh", "-e", "/usr/bin/hello", "a", "b"]),
        ("hello", ["/bin/sh", "-e", "/usr/bin/hello", "a", "b"]),
        ("/bin/../bin/hello", ["/bin/sh", "-e", "/bin/../bin/hello", "a", "b"]),
        ("found", ["sh", "/usr/bin/found", "a", "b"]),
        ("split", ["sh", "-e", "-u", "/usr/bin/split", "a", "b"]),
        ("nest1", ["/bin/sh", "1", "/usr/bin/nest1", "a", "b"]),
        ("nest2", ["/bin/sh", "1", "/usr/bin/nest1", "2", "/usr/bin/nest2", "a", "b"]),
    ],
)
def test_the_interpreter_gets_the_words_that_linux_would_give(world: World, path: str, argv: list[str]) -> None:
    verdict = world.decide(path, "a", "b")
    name = path.rpartition("/")[2]
    assert verdict.argv == argv
    assert (verdict.entry, verdict.export, verdict.hash) == (0, "sh", HASH[name])
    assert (verdict.chain[0], verdict.chain[-1]) == (HASH[name], HASH["sh"])


def test_the_script_is_named_from_the_root(world: World) -> None:
    """A program's relative paths do not begin at the working directory (docs/engine.md)."""
    assert world.decide("./hello", cwd="/usr/bin").argv == ["/bin/sh", "-e", "/usr/bin/./hello"]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_an_interpreter_may_be_a_script_to_depth_four(world: World, depth: int) -> None:
    chain = tuple(HASH[f"nest{n}"] for n in range(depth, 0, -1))
    assert world.decide(f"nest{depth}").chain == (*chain, HASH["sh"])


def test_a_fifth_script_in_a_row_is_refused(world: World) -> None:
    denied = world.denied("nest5")
    assert (denied.reason, denied.errno) == ("interpreter nesting", errno.ELOOP)
    assert denied.chain == tuple(HASH[f"nest{n}"] for n in range(5, 0, -1))


def test_an_unknown_script_is_refused_though_its_interpreter_is_known(world: World) -> None:
    for text in (b"#!/bin/sh\nrm -r /\n", FILES["/usr/bin/hello"] + b"\n", FILES["/usr/bin/hello"][:-1]):
        world.put("/usr/bin/hello", text)
        denied = world.denied("/usr/bin/hello")
        assert (denied.reason, denied.errno, denied.hash) == ("unknown hash", errno.EACCES, digest(text))


def test_an_unknown_interpreter_is_refused_by_its_hash(world: World) -> None:
    denied = world.denied("by-strange")
    assert (denied.reason, denied.errno) == ("unknown interpreter", errno.EACCES)
    assert (denied.path, denied.hash, denied.chain) == ("/usr/bin/strange", digest(STRANGE), (HASH["by-strange"],))


def test_an_interpreter_that_is_not_there_is_refused(world: World) -> None:
    denied = world.denied("by-nobody")
    assert (denied.reason, denied.path, denied.hash) == ("unknown interpreter", "/usr/bin/nobody", None)
    assert denied.chain == (HASH["by-nobody"],)


def test_a_changed_interpreter_is_refused(world: World) -> None:
    changed = SH[:-1] + bytes([SH[-1] ^ 1])
    world.put("/usr/bin/sh", changed)
    for script in ("hello", "found", "split", "nest1"):
        denied = world.denied(script)
        assert (denied.reason, denied.hash) == ("unknown interpreter", digest(changed))
    assert world.denied("nest3").chain == (HASH["nest3"], HASH["nest2"], HASH["nest1"])


def test_another_signed_program_in_the_interpreters_place_is_refused(world: World) -> None:
    denied = world.denied("by-other")
    assert (denied.reason, denied.hash) == ("another interpreter", HASH["cat"])
    (world.guest / "usr/bin/sh").unlink()
    (world.guest / "usr/bin/sh").symlink_to("wc")
    for script in ("hello", "found", "split", "nest1"):
        denied = world.denied(script)
        assert (denied.reason, denied.path, denied.hash) == ("another interpreter", "/usr/bin/wc", HASH["wc"])


def test_another_script_in_the_middle_is_refused(world: World) -> None:
    world.put("/usr/bin/nest1", FILES["/usr/bin/hello"])
    denied = world.denied("nest2")
    assert (denied.reason, denied.hash, denied.chain) == ("another interpreter", HASH["hello"], (HASH["nest2"],))


def test_a_library_is_no_interpreter(world: World) -> None:
    denied = world.denied("by-library")
    assert (denied.reason, denied.errno, denied.hash) == ("not a program", errno.ENOEXEC, HASH["tool.so"])


def test_an_interpreter_that_may_not_be_executed_is_refused(world: World) -> None:
    (world.guest / "usr/bin/sh").chmod(0o644)
    assert world.denied("hello").reason == "unknown interpreter"


def test_env_finds_the_interpreter_in_the_path_of_the_caller(world: World) -> None:
    (world.guest / "opt").mkdir()
    world.put("/opt/sh", WC)
    assert world.decide("/usr/bin/found", PATH="/nowhere:/usr/bin").argv[0] == "sh"
    denied = world.denied("/usr/bin/found", PATH="/opt:/usr/bin")
    assert (denied.reason, denied.path, denied.hash) == ("another interpreter", "/opt/sh", HASH["wc"])
    world.put("/opt/sh", b"injected")
    assert world.denied("/usr/bin/found", PATH="/opt").hash == digest(b"injected")
    world.put("/sh", SH)
    assert world.denied("/usr/bin/found", PATH="").reason == "unknown interpreter"
    assert world.denied("/usr/bin/found", PATH="bin:.", cwd="/usr").reason == "unknown interpreter"


def test_the_search_for_an_interpreter_reads_few_files(world: World) -> None:
    folders = [f"/d{n}" for n in range(controller.READ_MAX)]
    for folder in folders:
        (world.guest / folder[1:]).mkdir()
        world.put(f"{folder}/sh", b"injected")
    few, many = (":".join([*folders[:count], "/usr/bin"]) for count in (-1, None))
    assert world.decide("/usr/bin/found", PATH=few).export == "sh"
    assert world.denied("/usr/bin/found", PATH=many).reason == "unknown interpreter"


def test_an_injected_env_does_not_stand_between_a_script_and_its_interpreter(world: World) -> None:
    world.put("/usr/bin/env", b"injected")
    assert world.decide("found").chain == (HASH["found"], HASH["sh"])
    world.put("/usr/bin/env", WC)  # now env is a program of the bundle, and not the signed interpreter
    assert world.denied("found").reason == "another interpreter"


def test_interpreters_are_found_inside_the_root(world: World) -> None:
    (world.guest / "usr/bin/sh").unlink()
    (world.guest / "usr/bin/sh").symlink_to(os.path.realpath("/bin/sh"))
    assert world.denied("hello").reason == "unknown interpreter"


def test_a_script_as_its_own_interpreter_ends(world: World) -> None:
    (world.guest / "usr/bin/sh").unlink()
    (world.guest / "usr/bin/sh").symlink_to("hello")
    assert world.denied("hello").reason == "another interpreter"


def test_a_script_must_have_its_execute_bit(world: World) -> None:
    (world.guest / "usr/bin/hello").chmod(0o644)
    assert world.denied("/usr/bin/hello").reason == "not executable"
