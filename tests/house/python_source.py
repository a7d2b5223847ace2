"""Python files in, what each imports out: by their syntax trees, without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def modules(root: Path) -> dict[str, Path]:
    """Every module of the two source roots by its dotted name."""
    return {
        _name(path.relative_to(base)): path
        for base, top in ((root / "tools", "recompiler"), (root, "vkernel_proto"))
        for path in sorted((base / top).rglob("*.py"))
    }


def imports(root: Path) -> dict[Path, set[Path]]:
    """What each file imports of the others, imports inside functions included.

    An import for annotations alone (TYPE_CHECKING) is none: nothing happens by it.
    """
    known = modules(root)
    found: dict[Path, set[Path]] = {}
    for module, path in known.items():
        named = {name if name in known else name.rpartition(".")[0] for name in names(path, module)}
        found[path] = {known[name] for name in named & known.keys()} - {path}
    return found


def names(path: Path, module: str) -> Iterator[str]:
    """What a file's import statements name: modules, or names in modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _nodes(child)


def _name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
