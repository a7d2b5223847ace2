"""recompiler-build: the image pipeline, which does not exist yet."""

from __future__ import annotations

import sys


def main() -> None:
    """Say so, and exit with the status for usage errors."""
    sys.stderr.write("recompiler-build: comes with the pipeline (see CHANGELOG.md); today: recompiler append\n")
    sys.exit(2)
