"""JSON Schema of the node's configuration, for editors and fleet tools: `python -m sonyc_device.config_schema FILE`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonyc_contract.files import write_whole
from sonyc_device.config import NodeConfig


def schema_text() -> str:
    """JSON Schema (draft 2020-12) of the file, as TOML can say it, with a line feed at its end."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **NodeConfig.model_json_schema()}
    return json.dumps(_without_null(schema), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the schema into the file that is the only argument; 0 ok, 1 failure, 2 usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m sonyc_device.config_schema FILE\n")
        return 2
    try:
        write_whole(Path(arguments[0]), schema_text().encode())
    except OSError as error:
        sys.stderr.write(f"{arguments[0]}: cannot be written: {error.strerror or error}\n")
        return 1
    return 0


def _without_null(schema: Any) -> Any:
    """TOML has no null: a key that may be left out has no default there, and the type that it has otherwise."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # Defaults of whole tables are those of their keys.
    plain = {key: _without_null(value) for key, value in schema.items() if not (key == "default" and _is_empty(value))}
    types = [item for item in plain.pop("anyOf", []) if item != {"type": "null"}]
    if len(types) == 1:
        return {**types[0], **plain}
    return {**plain, "anyOf": types} if types else plain


def _is_empty(default: Any) -> bool:
    return default is None or isinstance(default, dict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
