"""In: the sources beside this file. Out: small programs without a libc, full of table jumps, one per level and kind."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from recompiler.lift.elf import binary

SOURCES: Final = sorted([*Path(__file__).parent.glob("*.c"), *Path(__file__).parent.glob("*.S")])
FLAGS: Final = (
    *("-ffreestanding", "-fno-builtin", "-nostdlib", "-fno-stack-protector", "-fasynchronous-unwind-tables", "-w"),
)
KINDS: Final = {"exec": ("-static", "-fno-pie", "-fno-pic"), "pie": ("-fPIE", "-Wl,-z,now")}
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_EH_FRAME: Final = 0x6474E550


def build(compiler: str, level: int, kind: str, path: Path) -> Path:
    """The shapes in one program; compiler: zig (clang) or gcc. Skips the test where gcc is asked for and missing."""
    if compiler == "zig":
        # zig gives clang one of three levels, whatever it was told
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-none", "-mcpu=x86_64"]
        command += ["-fno-sanitize=all", "-O2", "-Xclang", f"-O{level}", *(("-pie",) if kind == "pie" else ())]
    else:
        if not shutil.which("gcc"):
            pytest.skip("no gcc here: apt-get install gcc")
        command = ["gcc", f"-O{level}", "-static-pie" if kind == "pie" else "-no-pie"]
    command += [*FLAGS, *KINDS[kind], *map(str, SOURCES), "-o", str(path)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return path


def stripped(data: bytes, *, frames: bool) -> bytes:
    """The same program without section table and symbols; without frames also without any FDE."""
    bare = bytearray(data)
    bare[40:48] = bytes(8)  # e_shoff
    bare[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    if not frames:
        for section in binary.load(data).sections:
            if section.name in (".eh_frame", ".eh_frame_hdr"):
                bare[section.offset : section.offset + section.size] = bytes(section.size)
        at, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
        for row in range(at, at + count * _PHDR.size, _PHDR.size):
            if struct.unpack_from("<I", data, row)[0] == _EH_FRAME:
                struct.pack_into("<I", bare, row, 0)
    return bytes(bare)
