"""Rows in, aligned lines out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def columns(rows: Sequence[Sequence[str | int]]) -> list[str]:
    """Columns as wide as their widest cell, numbers to the right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            str(cell).rjust(width) if isinstance(cell, int) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def two_columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Indented name and value lines."""
    width = max(len(name) for name, _ in rows)
    return [f"  {name.ljust(width)}  {value}" for name, value in rows]


def timestamp(seconds: int) -> str:
    """Unix seconds and what they are in UTC; numbers no calendar holds stay numbers."""
    try:
        return f"{seconds} ({datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    except (OverflowError, ValueError, OSError):
        return str(seconds)
