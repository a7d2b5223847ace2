"""What the comparison with this CPU leaves out, each with its reason."""

from __future__ import annotations

# Forms whose result is another by intent.
NOT_COMPARED: dict[str, str] = {
    "CPUID": "the guest's CPU is x86-64-v1, whatever this one is",
    "RDTSC": "time passes",
    "XGETBV": "the guest's CPU has no XSAVE",
}
