"""The image side of `recompiler inspect`: an image on disk in; its layers and programs out, as tables or as JSON."""

from __future__ import annotations

import json

import click

from recompiler.cli import printable
from recompiler.cli.table import columns, two_columns
from recompiler.image.read import Image, read_image, utf8

STATUS = "NOT VERIFIED"


def inspect_image(path: str, as_json: bool, platform: str | None = None, tag: str | None = None) -> None:
    """Prints what the image at `path` holds. Raises Error as recompiler.image.read.read_image."""
    image = read_image(path, platform, tag)
    if as_json:
        click.echo(json.dumps({"status": STATUS, "type": "image", **image.as_dict()}))
    else:
        click.echo("\n".join(lines(image)))


def lines(image: Image) -> list[str]:
    """The human form. Names from the image are escaped: they cannot move a terminal's cursor."""
    plain = image.format == "directory"
    why = "a directory states no digests" if plain else "its digests agree, but nothing here says who made the image"
    facts = [("format", image.format), ("platform", image.platform)]
    facts += [("manifest", image.manifest), ("config", image.config)]
    out = [f"{STATUS}: {why}", "", printable(utf8(image.reference))]
    out += two_columns([(name, value) for name, value in facts if value])
    if not plain:
        out += ["", *columns(_layers(image))]
    out += ["", *columns(_executables(image))]
    return [*out, "", f"{len(image.layers)} layers, {len(image.executables)} executables"]


def _layers(image: Image) -> list[list[str | int]]:
    rows: list[list[str | int]] = [["layer", "size", "tar size", "entries", "media type", "digest, diff_id"]]
    for number, layer in enumerate(image.layers):
        rows.append([number, layer.size, layer.tar_size, layer.entries, layer.media_type, layer.digest])
        rows.append(["", "", "", "", "", layer.diff_id])
    return rows


def _executables(image: Image) -> list[list[str | int]]:
    rows: list[list[str | int]] = [["kind", "mode", "size", "layer", "blake3", "path"]]
    for each in image.executables:
        kind, path = printable(utf8(each.program.kind)), printable(utf8(each.path))
        layer = "" if each.layer is None else each.layer
        rows.append([kind, f"{each.mode:04o}", each.program.size, layer, each.program.blake3, path])
    return rows
