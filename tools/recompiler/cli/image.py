"""recompiler inspect IMAGE: an image on disk in, its layers and programs out, as a table or one JSON object."""

from __future__ import annotations

import json
from typing import Any

import click

from recompiler.oci import Image, read_image


def inspect_image(path: str, as_json: bool, platform: str | None = None, tag: str | None = None) -> None:
    """Prints what the image at `path` holds. Raises Error as recompiler.oci.read_image."""
    image = read_image(path, platform, tag)
    if as_json:
        click.echo(json.dumps({"verified": False, "type": "image", **image.as_dict()}))
        return
    for line in lines(image):
        click.echo(line)


def lines(image: Image) -> list[str]:
    """The human form. Names from the image are escaped: they cannot move a terminal's cursor."""
    plain = image.format == "directory"
    why = "a directory states no digests" if plain else "its digests agree, but nothing here says who made the image"
    out = [f"NOT VERIFIED: {why}", ""]
    facts = [("image", image.reference), ("format", image.format), ("platform", image.platform)]
    facts += [("manifest", image.manifest), ("config", image.config)]
    out += [f"{name:<9} {escaped(value)}" for name, value in facts if value]
    if not plain:
        out += [
            "",
            *_table([["layer", "size", "tar size", "entries", "media type", "digest, diff_id"], *_layers(image)]),
        ]
    out += ["", *_table([["kind", "mode", "size", "layer", "blake3", "path"], *_executables(image)])]
    count = len(image.executables)
    return [*out, "", f"{count} executable{'' if count == 1 else 's'}, {len(image.layers)} layers"]


def _layers(image: Image) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for number, layer in enumerate(image.layers):
        rows.append([number, layer.size, layer.tar_size, layer.entries, layer.media_type, layer.digest])
        rows.append(["", "", "", "", "", layer.diff_id])
    return rows


def _executables(image: Image) -> list[list[Any]]:
    return [
        [
            escaped(each.program.kind),
            f"{each.mode:04o}",
            each.program.size,
            "" if each.layer is None else each.layer,
            each.program.blake3,
            escaped(each.path),
        ]
        for each in image.executables
    ]


def _table(rows: list[list[Any]]) -> list[str]:
    """Columns as wide as their widest cell, numbers to the right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            str(cell).rjust(width) if isinstance(cell, int) else str(cell).ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def escaped(text: str) -> str:
    """Printable text as it is; controls, bidirectional marks and bytes that are not UTF-8 as escapes."""

    def one(c: str) -> str:
        if c.isprintable() and c != "\\":
            return c
        if "\udc80" <= c <= "\udcff":  # os.fsdecode's way to hold a byte
            return f"\\x{ord(c) - 0xDC00:02x}"
        return c.encode("unicode_escape").decode()

    return "".join(map(one, text))
