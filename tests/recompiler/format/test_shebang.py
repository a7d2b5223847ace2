"""In: first lines of scripts. Out: they split as this kernel's execve(2) splits them, and env finds what it may."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import shebang
from recompiler.format.shebang import Interpreter, Shebang, find, parse

# What follows `#!`; I is the interpreter's path.
LINES = {
    "plain": b"I\n",
    "an argument": b"I -e\n",
    "one argument with blanks": b"I -e  a\tb c \t\n",
    "blanks before": b" \t I x\n",
    "a tab between": b"I\tx\n",
    "no newline": b"I x",
    "no newline, no argument": b"I",
    "blanks at the end of the file": b"I  ",
    "an argument and blanks at the end of the file": b"I x  ",
    "a carriage return": b"I x\r\n",
    "a second line": b"I\nx\n",
    "a NUL after the interpreter": b"I\0x\n",
    "a NUL after a blank": b"I \0x\n",
    "a NUL in the argument": b"I a\0b\n",
    "bytes that are no UTF-8": b"I \xff\xc3\n",
    "an argument that is cut": b"I " + b"x" * 300 + b"\n",
    "blanks at the cut": b"I x" + b" " * 300 + b"y\n",
    "only blanks after the interpreter, to the cut": b"I" + b" " * 300 + b"y\n",
    "an interpreter that is cut": b"I" + b"x" * 300 + b"\n",
    "only blanks": b" \t \n",
    "blanks without end": b" " * 300,
    "nothing": b"",
    "an empty line": b"\nI\n",
    "a NUL at once": b"\0I\n",
}


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter (a script itself) that shows its arguments as JSON."""
    path = tmp_path_factory.mktemp("w") / "i"
    python = path.with_name("p")  # a first line cannot name a path with a blank
    python.symlink_to(Path(sys.executable).resolve())
    path.write_text(f"#!{python} -SI\nimport json, sys\nprint(json.dumps(sys.argv))\n")
    path.chmod(0o755)
    return path


def by_the_kernel(script: Path) -> list[str] | None:
    """The interpreter's argv before the script's path; None when execve(2) refuses."""
    pid_argv = [str(script)]
    read, write = os.pipe()
    try:
        pid = os.posix_spawn(script, pid_argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
    except OSError:
        os.close(write)
        os.close(read)
        return None
    os.close(write)
    with os.fdopen(read) as pipe:
        words = json.load(pipe)
    assert os.waitpid(pid, 0)[1] == 0
    assert words[-1] == str(script)
    return list(words[:-1])


def by_us(head: bytes, witness: Path) -> list[str] | None:
    line = parse(head)
    if line is None:
        return None
    try:
        return list(find(line, lambda path: path == str(witness), []).words)
    except Error:
        return None


@pytest.mark.parametrize("name", LINES)
def test_a_line_splits_as_execve_splits_it(name: str, witness: Path, tmp_path: Path) -> None:
    head = b"#!" + LINES[name].replace(b"I", str(witness).encode())
    script = tmp_path / "script"
    script.write_bytes(head)
    script.chmod(0o755)
    assert by_us(head, witness) == by_the_kernel(script)


def test_random_lines_split_as_execve_splits_them(witness: Path, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    for number in range(40):
        path = str(witness).encode()
        parts = [path, b" ", b"\t", b"\0", b"\n", b"x", b" " * (253 - len(path)), b"y" * (250 - len(path))]
        head = b"#!" + b"".join([*dice.choices([b"", b" "]), path, *dice.choices(parts, k=dice.randrange(6))])
        script = tmp_path / str(number)
        script.write_bytes(head)
        script.chmod(0o755)
        assert by_us(head, witness) == by_the_kernel(script), head


@pytest.mark.parametrize("head", [b"", b"#", b"# !/bin/sh\n", b"\0asm", b" #!/bin/sh\n"])
def test_what_does_not_begin_so_is_no_script(head: bytes) -> None:
    assert parse(head) is None


KNOWN = {"/usr/bin/wc", "/opt/bin/sh", "/bin/sh"}
PATHS = ["", ".", "bin", "/opt/bin/", "/bin"]

RESOLVED = {
    "/bin/sh -e": Interpreter("/bin/sh", ("/bin/sh", "-e")),
    "/usr/bin/env sh": Interpreter("/opt/bin/sh", ("sh",)),
    "/busybox/env sh": Interpreter("/opt/bin/sh", ("sh",)),
    "/usr/bin/env /usr/bin/wc": Interpreter("/usr/bin/wc", ("/usr/bin/wc",)),
    "/usr/bin/env -S sh": Interpreter("/opt/bin/sh", ("sh",)),
    "/usr/bin/env -Ssh -e\t-x ": Interpreter("/opt/bin/sh", ("sh", "-e", "-x")),
}


@pytest.mark.parametrize("line", RESOLVED)
def test_an_interpreter_is_found_and_has_its_words(line: str) -> None:
    found = parse(b"#!" + line.encode() + b"\n")
    assert found is not None
    assert find(found, KNOWN.__contains__, PATHS) == RESOLVED[line]


def test_an_env_of_the_bundle_is_the_interpreter_itself() -> None:
    line = Shebang("/usr/bin/env", "sh")
    assert find(line, {"/usr/bin/env", "/bin/sh"}.__contains__, PATHS) == Interpreter(
        "/usr/bin/env", ("/usr/bin/env", "sh")
    )


REFUSED = [
    "/bin/bash",
    "sh",
    "bin/sh",
    "./sh",
    "/usr/bin/env",
    "/usr/bin/env bash",
    "/usr/bin/env sh -e",  # one argument: env would look for a program called `sh -e`
    "/usr/bin/env bin/sh",
    "/usr/bin/env -i sh",
    "/usr/bin/env -S",
    "/usr/bin/env -S -i sh",
    "/usr/bin/env -S A=1 sh",
    "/usr/bin/env A=1",
    "/usr/bin/env -S 'sh'",
    "/usr/bin/env -S sh $HOME",
    "/usr/bin/env -S sh \\_x",
    "/usr/bin/env -S sh #x",
    "/usr/bin/env --split-string=sh",
]


@pytest.mark.parametrize("line", REFUSED)
def test_an_unknown_interpreter_and_other_ways_of_env_are_refused(line: str) -> None:
    found = parse(b"#!" + line.encode() + b"\n")
    assert found is not None
    with pytest.raises(Error) as refused:
        find(found, KNOWN.__contains__, PATHS)
    assert refused.value.code == "E_EXEC_INTERPRETER"
    assert refused.value.message.isprintable()


def test_env_agrees_with_this_machines_env(witness: Path, tmp_path: Path) -> None:
    """The words of `env -S` are those that env(1) here makes of them."""
    head = f"#!/usr/bin/env -S {witness.name}  -a \t b\n".encode()
    script = tmp_path / "script"
    script.write_bytes(head)
    script.chmod(0o755)
    found = subprocess.run([script], env={"PATH": f"{witness.parent}:/usr/bin"}, capture_output=True, check=False)
    if b"invalid option" in found.stderr or b"unrecognized option" in found.stderr:
        pytest.skip("env(1) of this machine has no -S")
    line = parse(head)
    assert line is not None
    ours = find(line, lambda path: path == str(witness), ["/nowhere", str(witness.parent)])
    assert ours.path == str(witness)
    # The witness is a script: the kernel replaces its argv[0] by the path that env found.
    assert json.loads(found.stdout) == [str(witness), *ours.words[1:], str(script)]


def test_the_depth_is_that_of_linux(tmp_path: Path) -> None:
    """Scripts as interpreters of scripts: this many are allowed, one more is not."""
    last = "/bin/true"
    for number in range(shebang.DEPTH + 2):
        path = tmp_path / str(number)
        path.write_text(f"#!{last}\n")
        path.chmod(0o755)
        last = str(path)
        if number < shebang.DEPTH:
            assert subprocess.run([last], check=False).returncode == 0
    with pytest.raises(OSError) as refused:  # noqa: PT011
        subprocess.run([last], check=False)
    assert refused.value.errno == errno.ELOOP
