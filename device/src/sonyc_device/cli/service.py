"""Commands for the agent as a service: install it, and ask it what it is doing."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_device.cli.output import DEGRADED, OK, add_config, add_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sonyc_device.cli.output import Commands
    from sonyc_device.running.installation import Step


def add_commands(commands: "Commands") -> None:
    """Add `install`, `uninstall` and `status`."""
    _add_install(commands.add_parser("install", help="make a service of the agent on this machine"))
    uninstall = commands.add_parser("uninstall", help="take the service away; configuration, state and clips stay")
    _add_system(uninstall)
    uninstall.set_defaults(command=_uninstall)
    status = commands.add_parser("status", help="say what the running agent is doing")
    add_config(status)
    add_json(status)
    status.set_defaults(command=_status)


def _add_install(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes a system user, an environment under /opt, a systemd unit and a configuration; doing it again brings "
        "them up to date, and leaves a configuration as it is."
    )
    parser.add_argument("--node-id", default="", metavar="ID", help="for a new configuration; default: the host's name")
    parser.add_argument("--broker", default="", metavar="HOST", help="for a new configuration; default: localhost")
    _add_system(parser)
    parser.set_defaults(command=_install)


def _add_system(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="a system that does not run")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def _install(arguments: argparse.Namespace) -> int:
    from sonyc_device.running.installation import Target, plan

    target = Target(arguments.root, node_id=arguments.node_id, broker=arguments.broker)
    _make(plan(target), is_dry=arguments.dry_run)
    return OK


def _uninstall(arguments: argparse.Namespace) -> int:
    from sonyc_device.running.installation import Target, plan_removal

    _make(plan_removal(Target(arguments.root)), is_dry=arguments.dry_run)
    return OK


def _make(steps: "Iterable[Step]", *, is_dry: bool) -> None:
    for step in list(steps):  # what cannot work is found before anything is changed
        print(step.what, flush=True)
        if step.make is not None and not is_dry:
            step.make()


def _status(arguments: argparse.Namespace) -> int:
    from sonyc_device.config import load_config
    from sonyc_device.running.status import read_status, troubles
    from sonyc_device.running.status_words import in_words

    document = read_status(load_config(arguments.config).state_folder)
    found = troubles(document)
    if arguments.json:
        print(json.dumps({**document, "troubles": found}, indent=1))
    else:
        for subject, text in in_words(document, found):
            print(f"{subject:<10} {text}")
    return DEGRADED if found else OK
