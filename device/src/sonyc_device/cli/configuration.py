"""Commands for the configuration."""

import argparse
import sys
from typing import TYPE_CHECKING

from sonyc_device.cli.output import OK

if TYPE_CHECKING:
    from sonyc_device.cli.output import Commands


def add_commands(commands: "Commands") -> None:
    """Add `config schema`."""
    config = commands.add_parser("config", help="about the configuration")
    inner = config.add_subparsers(metavar="COMMAND", required=True)
    inner.add_parser("schema", help="print its JSON Schema").set_defaults(command=_schema)


def _schema(_arguments: argparse.Namespace) -> int:
    from sonyc_device.config_schema import schema_text

    sys.stdout.write(schema_text())
    return OK
