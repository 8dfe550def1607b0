"""The reference of a study's keys, docs/study.md, written from the settings themselves: `make schemas` does."""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sonyc_contract.files import write_whole
from sonyc_trainer.study.settings import Study

_INTRODUCTION: Final = """# A study's keys

A study is one TOML file; [trainer/studies](../trainer/studies) has examples. `name` and one `[[dataset]]` are all that
it must have. An unknown key, a wrong type or a value out of range is refused before anything runs. Relative paths count
from the file's folder. Every key below changes results, so that a changed one runs the stages again that depend on it;
what does not (folders, processes, cache) is said on the command line: `sonyc-trainer run --help`.

`make schemas` writes this page from the settings in `trainer/src/sonyc_trainer/study`.
"""
_HEADINGS: Final = "| key | default | allowed | what it is |\n|---|---|---|---|\n"
_LIMITS: Final = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_KINDS: Final = {
    "boolean": "true, false",
    "integer": "integer",
    "number": "number",
    "string": "text",
    "path": "path",
    "object": "table",
}
_REPEATED: Final = "dataset", "compare"

Model = type[BaseModel]


def study_reference() -> str:
    """Give the page as Markdown."""
    sections = [_section(title, model) for title, model in _tables(Study, "")]
    return "\n".join([_INTRODUCTION, *sections])


def undocumented() -> list[str]:
    """Name the keys that nothing is said of; there is none."""
    return [
        f"{title}.{name}"
        for title, model in _tables(Study, "")
        for name, field in model.model_fields.items()
        if _table(field) is None and name not in _said(model)
    ]


def _tables(model: Model, title: str) -> Iterator[tuple[str, Model]]:
    """Give the tables of a study by their heading in TOML, each before those in it."""
    yield title, model
    for name, field in model.model_fields.items():
        inner = _table(field)
        if inner is not None:
            yield from _tables(inner, f"{title}.{name}" if title else name)


def _table(field: FieldInfo) -> Model | None:
    """Give the settings that a key holds, or an array of which; None for a plain value."""
    found = [kind for kind in _flat(field.annotation) if inspect.isclass(kind) and issubclass(kind, BaseModel)]
    return found[0] if found else None


def _flat(annotation: Any) -> Iterator[Any]:
    """Give the plain kinds that an annotation is made of."""
    if get_origin(annotation) is None:
        yield annotation
    for inner in get_args(annotation):
        yield from _flat(inner)


def _section(title: str, model: Model) -> str:
    heading = f"## `{_heading(title)}`\n\n{_line(inspect.getdoc(model) or '')}\n" if title else "## At the top\n"
    schema, said = model.model_json_schema(), _said(model)
    rows = [
        f"| `{name}` | {_default(field)} | {_allowed(schema['properties'][name], schema.get('$defs', {}))} "
        f"| {_line(said.get(name, ''))}{_choices(field)} |\n"
        for name, field in model.model_fields.items()
        if _table(field) is None
    ]
    return f"{heading}\n{_HEADINGS}{''.join(rows)}"


def _heading(title: str) -> str:
    return f"[[{title}]]" if title in _REPEATED else f"[{title}]"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _said(model: type) -> dict[str, str]:
    """Read what stands beneath the attributes of a class."""
    (defined,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = defined.body if isinstance(defined, ast.ClassDef) else []
    found = {}
    for one, following in pairwise(body):
        target = (
            one.target if isinstance(one, ast.AnnAssign) else one.targets[0] if isinstance(one, ast.Assign) else None
        )
        if target is not None and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[ast.unparse(target)] = str(following.value.value)
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None or value in ((), {}) else f"`{json.dumps(value)}`"


def _allowed(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    """Say in words what a value may be: kind or choices, and limits."""
    if "$ref" in schema:
        return _allowed(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return ", ".join(_allowed(one, defs) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"array of {_allowed(schema['items'], defs)}"
    kind = _KINDS[schema.get("format", schema["type"])]
    limits = " and ".join(f"{sign} {schema[name]}" for name, sign in _LIMITS.items() if name in schema)
    return f"{kind} {limits}".strip()


def _choices(field: FieldInfo) -> str:
    """Say what the choices of a key mean, where that is said of them."""
    kinds = [kind for kind in _flat(field.annotation) if inspect.isclass(kind) and issubclass(kind, StrEnum)]
    return "".join(
        f" `{kind[name]}`: {_line(text)}"
        for kind in kinds
        for name, text in _said(kind).items()
        if name in kind.__members__
    )


def main() -> None:
    """Write the page to the file that is named."""
    write_whole(Path(sys.argv[1]), study_reference().encode())


if __name__ == "__main__":
    main()
