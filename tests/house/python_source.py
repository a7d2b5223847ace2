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
    return {path: {known[each] for each in _named(path, name, known)} - {path} for name, path in known.items()}


def names(path: Path, module: str) -> Iterator[str]:
    """The modules, and names in modules, that a file's import statements have."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _named(path: Path, module: str, known: dict[str, Path]) -> set[str]:
    found = set(names(path, module)) & known.keys()
    # `from package import module` names both; the package's own file is meant only when nothing of it is a module.
    return {each for each in found if not any(other.startswith(each + ".") for other in found)}


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _nodes(child)


def _name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
