"""recompiler compile: a module, or the one of a bundle, in; its AOT artifact, and its row in the manifest, out."""

from __future__ import annotations

import platform
from pathlib import Path

import click

from recompiler import aot
from recompiler.cli import options
from recompiler.errors import Error
from recompiler.format import bundle, files, manifest
from recompiler.format.trailer import MANIFEST, SECTION_LIMITS, WASM


@click.command("compile", epilog="Example: recompiler compile bundle; then sign it again (append --detached)")
@click.option("--target", type=click.Choice(list(aot.TARGETS)), help="[default: this machine]")
@click.option("--manifest", "document", type=options.PATH, help="the manifest that gets the artifact's row")
@options.force
@options.output(required=False, text="the artifact [default: MODULE.TARGET.cwasm beside the module]")
@click.argument("module", metavar="MODULE|BUNDLE", type=options.PATH)
def command(target: str | None, document: Path | None, force: bool, output: Path | None, module: Path) -> None:
    """Compile a module ahead of time, with the settings that the engine insists on. Nothing is compiled at run time.

    Of a BUNDLE directory: its container.wasm, and its manifest gets the row. bundle.sig is over both, so the bundle has
    to be signed afterwards. The same module and target give the same bytes.
    """
    target = target or f"{platform.machine()}-linux"
    if module.is_dir():
        document = document or _manifest_of(module)
        module = module / bundle.MODULE
    output = output or module.with_name(f"{module.name.removesuffix('.wasm')}.{target}.cwasm")
    inputs = [module, *([document] if document else [])]
    files.check_output(output, force, inputs)
    data = files.read_file(module, SECTION_LIMITS[WASM])
    text = None if document is None else files.read_file(document, SECTION_LIMITS[MANIFEST])
    if text is not None:
        manifest.check_module(manifest.parse(text), data)
    artifact = aot.compile_module(data, target)
    files.write_file(output, [artifact], force=force, inputs=inputs)
    if document is not None and text is not None:
        files.write_file(document, [manifest.with_artifact(text, aot.artifact_row(target, artifact))], force=True)
    click.echo(f"{output}: {len(artifact)} bytes for {target}, {aot.engine()}")


def _manifest_of(folder: Path) -> Path:
    for name in bundle.MANIFESTS:
        if (folder / name).exists():
            return folder / name
    raise Error("E_OPEN", f"{folder} has no {bundle.MANIFESTS[0]}: not a bundle")
