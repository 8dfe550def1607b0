"""What Python sources import, read from their syntax trees and never by importing them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Import:
    """One import statement's name.

    Attributes:
        importer: Dotted name of the module that holds the statement.
        name: Dotted name of what it imports; `from a import b` gives `a.b`, whether b is a module or not.
        line: Where.
        at_module_level: False inside a function.
    """

    importer: str
    name: str
    line: int
    at_module_level: bool

    @property
    def top(self) -> str:
        """Name of the top-level package."""
        return self.name.partition(".")[0]

    def is_within(self, package: str) -> bool:
        """Whether the name is `package` or something in it."""
        return self.name == package or self.name.startswith(f"{package}.")

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def imports_of(source: Path, package: str) -> list[Import]:
    """Every import in every module of a package.

    Args:
        source: The folder that holds the package.
        package: Its dotted name.
    """
    folder = source.joinpath(*package.split("."))
    return [found for path in sorted(folder.rglob("*.py")) for found in _imports_in(path, source)]


def _imports_in(path: Path, source: Path) -> Iterator[Import]:
    parts = path.relative_to(source).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    parent = module if is_package else module.rpartition(".")[0]
    for node, at_module_level in _walk(ast.parse(path.read_text(), str(path)), at_module_level=True):
        for name in _names(node, parent):
            yield Import(module, name, node.lineno, at_module_level)


def _walk(node: ast.AST, *, at_module_level: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_module_level
        yield from _walk(child, at_module_level=at_module_level and not isinstance(child, _FUNCTIONS))


def _names(node: ast.Import | ast.ImportFrom, parent: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = parent.split(".")[: len(parent.split(".")) - node.level + 1]
        base = ".".join([*package, *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]
