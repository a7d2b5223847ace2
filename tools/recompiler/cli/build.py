"""recompiler-build: an image in, a signed bundle directory out."""

from __future__ import annotations

import contextlib
import json
import platform as machine
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from recompiler import __version__, aot, cli
from recompiler.cli import options, printable
from recompiler.errors import Error
from recompiler.format import bundle, strictjson
from recompiler.format.trailer import subject_ok
from recompiler.signing import keyfile
from recompiler.signing.append import Claims

SHOWN = 20  # left-out files that the summary names
ARCHIVES = (".tar", ".oci")


@click.command(
    "recompiler-build",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: recompiler-build --image ./image --output bundle/container.wasm --manifest bundle/manifest.json "
    "--name demo/tools --key dev.key",
)
@click.option("--image", required=True, help="OCI layout, oci-archive, docker save archive, or plain directory")
@click.option("--output", required=True, type=options.PATH, help="BUNDLE/container.wasm")
@click.option("--manifest", type=options.PATH, help="BUNDLE/manifest.json [the default] or BUNDLE/mapping.json")
@click.option("--rootfs", type=options.PATH, help="BUNDLE/rootfs [the default]")
@click.option("--name", help="the subject, such as demo/tools [default: the image's file name]")
@click.option("--platform", help="of an image with several: linux/amd64, linux/arm64/v8, ...")
@click.option("--tag", help="which image of several")
@click.option("--target", type=click.Choice(list(aot.TARGETS)), help="of the AOT artifact [default: this machine]")
@click.option("--no-compile", is_flag=True, help="leave the artifact to `recompiler compile`")
@options.terms
@click.option("--key", "keys", multiple=True, type=options.PATH, help="private key [default: bundle.sig is unsigned]")
@click.option("--signers", type=int, help="how many will sign an unsigned bundle.sig [default: 1]")
@options.claims
@options.force
@click.option("--progress/--no-progress", default=None, help="say on stderr what is done [default: on a terminal]")
@options.as_json
@click.version_option(__version__, prog_name="recompiler-build")
def command(
    image: str,
    output: Path,
    manifest: Path | None,
    rootfs: Path | None,
    name: str | None,
    platform: str | None,
    tag: str | None,
    target: str | None,
    no_compile: bool,
    keys: tuple[Path, ...],
    signers: int | None,
    signed_at: int | None,
    expires_at: int,
    security_version: int,
    force: bool,
    progress: bool | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Build a bundle of an image whose programs are wasm modules and scripts.

    The programs become one module; each is reached by the BLAKE3 of its file. What cannot run is listed with the
    reason. The same image and options make the same bytes. The bundle appears whole or not at all.
    """
    from recompiler.pipeline.build import Order, build

    folder, document = _places(output, manifest, rootfs)
    if target is not None and no_compile:
        raise Error("E_USAGE", "either --target or --no-compile")
    if signers is not None and keys:
        raise Error("E_USAGE", "--signers is for an unsigned bundle; with --key each key signs")
    seeds = [keyfile.read_private(path) for path in keys]
    order = Order(
        image=image,
        folder=folder,
        name=name or _default_name(image),
        target=None if no_compile else target or f"{machine.machine()}-linux",
        claims=Claims(options.moment(signed_at), expires_at, security_version, signers or max(len(seeds), 1)),
        manifest=document,
        platform=platform,
        tag=tag,
        terms=terms,
        seeds=seeds,
        force=force,
    )
    talk = sys.stderr.isatty() if progress is None else progress
    with _ended_by_sigterm():
        built = build(order, _say if talk else lambda _: None)
    document_value = strictjson.loads(built.manifest, max_depth=16, code="E_INTERNAL")
    report = {
        "result": "built",
        "bundle": str(folder),
        "subject": built.statement.subject,
        "release": built.statement.release_id.hex(),
        "signed_by": len(seeds),
        "target": order.target,
        "left_out": built.left_out,
        "figures": built.figures,
        "entries": document_value["entries"],
        "omitted": document_value.get("omitted", []),
    }
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo("\n".join(_lines(report, order.claims.signers)))


def main() -> NoReturn:
    """The program `recompiler-build`."""
    cli.main(command=command)


def _places(output: Path, manifest: Path | None, rootfs: Path | None) -> tuple[Path, str]:
    """The bundle's directory and its manifest's name. Raises Error E_USAGE: a bundle's files have fixed names."""
    folder = output.parent
    manifest = manifest or folder / bundle.MANIFESTS[0]
    rootfs = rootfs or folder / bundle.ROOTFS
    wanted = ((output, (bundle.MODULE,)), (manifest, bundle.MANIFESTS), (rootfs, (bundle.ROOTFS,)))
    for path, names in wanted:
        if path.name not in names or path.parent.absolute() != folder.absolute():
            places = " or ".join(str(folder / name) for name in names)
            raise Error("E_USAGE", f"{path} has to be {places}: in a bundle, files are found by these names")
    return folder, manifest.name


def _default_name(image: str) -> str:
    name = Path(image).resolve().name
    for suffix in ARCHIVES:
        name = name.removesuffix(suffix)
    if not subject_ok(name):
        raise Error("E_USAGE", f"--name is needed: {ascii(name)[:80]} cannot be a subject (a-z 0-9 . _ / -)")
    return name


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds, as ^C does, so that what was begun is removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(step: str) -> None:
    click.echo(f"recompiler-build: {printable(step)}", err=True)


def _lines(report: dict[str, Any], signers: int) -> list[str]:
    entries, omitted = report["entries"].values(), report["omitted"]
    scripts = sum(row["kind"] == "script" for row in entries)
    state = f"signed by {report['signed_by']}" if report["signed_by"] else f"unsigned, to be signed by {signers}"
    counts = f"{len(entries) - scripts} programs, {scripts} scripts, {len(omitted)} files left out"
    lines = [f"{printable(report['bundle'])}: {report['subject']}, release {report['release']}, {state}", f"  {counts}"]
    lines += [f"  left out: {printable(row['path'])}: {printable(row['reason'])}" for row in omitted[:SHOWN]]
    if len(omitted) > SHOWN:
        lines.append(f"  and {len(omitted) - SHOWN} more: `omitted` of the manifest has them all")
    if report["target"] is None:
        lines.append(f"  no AOT artifact yet: recompiler compile {printable(report['bundle'])}")
    return lines
