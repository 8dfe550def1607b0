"""The command that lists microphones."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sonyc_device.cli.output import FAILURE, OK, add_json, fail

if TYPE_CHECKING:
    from sonyc_device.capture.devices import Input, SoundCard
    from sonyc_device.cli.output import Commands


def add_commands(commands: "Commands") -> None:
    """Add `devices`."""
    parser = commands.add_parser("devices", help="list microphones, each with what names it in the configuration")
    parser.description = (
        "Prints a line for each input: what to put as `device` into the configuration, its channels, the rate it "
        "prefers, and PortAudio's name for it. Only `usb:` and `card:` stay the same after a reboot."
    )
    add_json(parser)
    parser.set_defaults(command=_devices)


def _devices(arguments: argparse.Namespace) -> int:
    from sonyc_device.capture.devices import describe, sound_cards, unlisted
    from sonyc_device.capture.microphone import list_inputs

    inputs = list_inputs()
    others = unlisted(sound_cards(), inputs)
    if arguments.json:
        documents = [
            *(_document_of_input(found) for found in inputs),
            *(_document(card.names, card) for card in others),
        ]
        print(json.dumps(documents, indent=1))
    else:
        _print_table([*(_row(found) for found in inputs), *(_row_of_unlisted(card) for card in others)])
    return OK if inputs or others else fail(describe(inputs), FAILURE)


def _print_table(rows: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")


def _row(found: "Input") -> tuple[str, str]:
    return found.names[0], f"{found.n_channels:>3} ch  {found.default_rate_hz:>6} Hz  {found.name}"


def _row_of_unlisted(card: "SoundCard") -> tuple[str, str]:
    from sonyc_device.capture.devices import describe_unlisted

    return card.names[0], f"card {card.id} {describe_unlisted(card)}"


def _document_of_input(found: "Input") -> dict[str, object]:
    facts = {"name": found.name, "channels": found.n_channels, "default_rate_hz": found.default_rate_hz}
    return {**_document(found.names, found.card), **facts}


def _document(names: Sequence[str], card: "SoundCard | None") -> dict[str, object]:
    return {
        "device": names[0],
        "names": names,
        "card": card.id if card else None,
        "usb_path": card.usb_path or None if card else None,
        "in_use_by": card.owner if card else None,
    }
