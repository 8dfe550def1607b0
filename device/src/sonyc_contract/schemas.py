"""JSON Schemas of the messages, for receivers in other languages: `python -m sonyc_contract.schemas docs/schemas`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sonyc_contract.commands import COMMANDS, Acknowledgement, Command
from sonyc_contract.files import write_whole
from sonyc_contract.messages import LabelEvent, Message, MinuteLevel, StoredClip
from sonyc_contract.reports import ClockSet, Completeness, Evicted, NodeHealth, NodeState

SCHEMA_FILES: Final[dict[str, type[Message]]] = {
    "label-v1.json": LabelEvent,
    "clip-v1.json": StoredClip,
    "spl-v1.json": MinuteLevel,
    "state-v1.json": NodeState,
    "health-v1.json": NodeHealth,
    "completeness-v1.json": Completeness,
    "clock-v1.json": ClockSet,
    "evicted-v1.json": Evicted,
    "ack-v1.json": Acknowledgement,
    **{f"command-{operation}-v1.json": command for operation, command in COMMANDS.items()},
}


def schema_text(message: type[Message]) -> str:
    """JSON Schema (draft 2020-12) of a message as it is sent, or of a command as it is taken; ends with a line feed."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **message.model_json_schema(
            by_alias=True, mode="validation" if issubclass(message, Command) else "serialization"
        ),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into `folder`, each file whole.

    Raises:
        OSError: the folder cannot be written.
    """
    for name, message in SCHEMA_FILES.items():
        write_whole(folder / name, schema_text(message).encode())


def main(arguments: Sequence[str]) -> int:
    """Write the schemas into the folder that is the only argument; 0 ok, 1 failure, 2 usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m sonyc_contract.schemas FOLDER\n")
        return 2
    try:
        write_schemas(Path(arguments[0]))
    except OSError as error:
        sys.stderr.write(f"{arguments[0]}: cannot be written: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
