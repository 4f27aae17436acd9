"""Tells what a program does from how it is written: its syntax without comments and layout."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from typing import NamedTuple

_WITHOUT_MEANING = frozenset({"ctx", "kind", "type_comment"})
"""Fields of the syntax tree that follow from the rest, or that Python ignores."""
_MAY_HAVE_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class CodeShape(NamedTuple):
    """What of a module's source decides its results."""

    hash: str
    """sha256 over the syntax tree; comments, docstrings and layout do not enter it."""
    imports: tuple[str, ...]
    """Every module name that one of its imports could mean."""


@lru_cache(maxsize=256)
def code_shape(source: str) -> CodeShape:
    """Return the shape of a module; a text that is no Python counts letter by letter.

    Equal on all Python versions that read the source the same: fields that are empty are left out,
    since newer versions add some.
    """
    try:
        tree = ast.parse(source)
        parts: list[str] = []
        imports: list[str] = []
        _spell(tree, parts, imports)
    except (SyntaxError, ValueError, RecursionError):
        return CodeShape(_hash(source), ())
    return CodeShape(_hash("\0".join(parts)), tuple(imports))


def _spell(node: ast.AST, parts: list[str], imports: list[str]) -> None:
    parts.append(type(node).__name__)
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports += _imported(node)
    has_docstring = isinstance(node, _MAY_HAVE_DOCSTRING) and _is_text(node.body)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in _WITHOUT_MEANING:
            continue
        parts.append(name)
        if isinstance(value, ast.AST):
            _spell(value, parts, imports)
        elif isinstance(value, list):
            for item in value[1:] if has_docstring and name == "body" else value:
                if isinstance(item, ast.AST):
                    _spell(item, parts, imports)
                else:
                    parts.append(repr(item))
            parts.append("]")
        else:
            parts.append(repr(value))
    parts.append(")")


def _is_text(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return every module name that an import could mean."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not node.module or node.level:
        return []
    return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
