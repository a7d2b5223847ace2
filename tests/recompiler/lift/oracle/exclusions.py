"""What the comparison with this CPU leaves out, each with its reason."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from iced_x86 import Code, CpuidFeature, Instruction

from tests.recompiler.lift.oracle.encode import codes

# Forms whose result is another by intent.
NOT_COMPARED: dict[str, str] = {
    "CPUID": "the guest's CPU is x86-64-v1, whatever this one is",
    "RDTSC": "time passes",
    "XGETBV": "the guest's CPU has no XSAVE",
}

# iced's names of what a CPU may have beyond x86-64-v1 -> Linux's.
FEATURES = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "SSE4_1": "sse4_1",
    "SSE4_2": "sse4_2",
    "CMPXCHG16B": "cx16",
    "MOVBE": "movbe",
    "POPCNT": "popcnt",
    "LZCNT": "abm",
    "BMI1": "bmi1",
    "ADX": "adx",
    "FSGSBASE": "fsgsbase",
    "PREFETCHW": "3dnowprefetch",
    "CLFSH": "clflush",
}
_NAMES = {number: name for name, number in vars(CpuidFeature).items() if isinstance(number, int)}


@cache
def _present() -> frozenset[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return frozenset(word for line in lines if line.startswith("flags") for word in line.partition(":")[2].split())


def absent(text: str) -> list[str]:
    """What of a form this CPU, or the kernel on it, does not have."""
    insn = Instruction()
    insn.code = codes().get(text, [Code.INVALID])[0]
    needed = [FEATURES.get(_NAMES[each], "") for each in insn.cpuid_features()]
    return [each for each in needed if each and each not in _present()]
