"""Microphones by what stays the same about them: the USB socket they are in, or the name ALSA gives their card.

The number of a card, which PortAudio's names hold, is another after a reboot with two microphones.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sonyc_device.errors import CaptureError

USB, CARD = "usb:", "card:"

_USB_BUS: Final = re.compile(r"usb[0-9]+")
_USB_PATH: Final = re.compile(r"[0-9]+-[0-9]+(\.[0-9]+)*")
_OWNER: Final = re.compile(r"^owner_pid\s*: ([0-9]+)", re.MULTILINE)
_HARDWARE: Final = re.compile(r"\(hw:([0-9]+),([0-9]+)\)")


@dataclass(frozen=True)
class SoundCard:
    """A sound card as the kernel lists it.

    Attributes:
        number: Its number, until the next reboot.
        id: Its short name, unique at any time; of two of a kind the second to be found gets another.
        usb_path: The USB socket it is in, as `1-1.2`: bus, then the port of each hub; empty where it is not on USB.
        can_capture: Whether it has an input.
        owner: The process that records from it now; None where nobody does.
    """

    number: int
    id: str
    usb_path: str
    can_capture: bool = True
    owner: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What names it in a configuration, the most stable first."""
        usb = (f"{USB}{self.usb_path}",) if self.usb_path else ()
        return (*usb, f"{CARD}{self.id}")


@dataclass(frozen=True)
class Input:
    """An input of PortAudio's.

    Attributes:
        index: PortAudio's number for it, until it enumerates again.
        name: PortAudio's name for it.
        n_channels: How many channels it has.
        default_rate_hz: The rate it prefers.
        card: The sound card it is on; None for those that exist in software only.
    """

    index: int
    name: str
    n_channels: int
    default_rate_hz: int
    card: SoundCard | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What names it in a configuration, the most stable first."""
        return (*(self.card.names if self.card else ()), self.name)


@dataclass(frozen=True)
class SystemRoots:
    """Where the kernel says what sound cards there are."""

    asound: Path = Path("/proc/asound")
    sys: Path = Path("/sys")


SYSTEM: Final = SystemRoots()


def sound_cards(roots: SystemRoots = SYSTEM) -> list[SoundCard]:
    """List the sound cards that the kernel knows, by number; none where it has no ALSA."""
    numbers = sorted(int(found.name.removeprefix("card")) for found in roots.asound.glob("card[0-9]*"))
    return [_sound_card(roots, number) for number in numbers]


def inputs_of(devices: Iterable[Mapping[str, Any]], cards: Sequence[SoundCard]) -> list[Input]:
    """Give the inputs among PortAudio's devices, each with its sound card.

    Args:
        devices: As `sounddevice.query_devices()` gives them.
        cards: The sound cards there are.
    """
    by_number = {card.number: card for card in cards}
    return [
        Input(
            index=index,
            name=str(device["name"]),
            n_channels=int(device["max_input_channels"]),
            default_rate_hz=round(device["default_samplerate"]),
            card=by_number.get(_card_number(str(device["name"]))),
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


def unlisted(cards: Sequence[SoundCard], inputs: Sequence[Input]) -> list[SoundCard]:
    """Give the cards with an input that PortAudio does not list, as is so while somebody records from them."""
    listed = {found.card.number for found in inputs if found.card}
    return [card for card in cards if card.can_capture and card.number not in listed]


def find_input(wanted: str, inputs: Sequence[Input], cards: Sequence[SoundCard] = ()) -> int | str | None:
    """Give what PortAudio takes for a device of the configuration: an index, a part of a name, or its default.

    Of a card with several inputs it is the first.

    Raises:
        CaptureError: no input is in that USB socket, or on a card of that name, or PortAudio cannot see it.
    """
    if not wanted.startswith((USB, CARD)):
        return wanted or None
    for found in inputs:
        if found.card and wanted in found.card.names:
            return found.index
    for card in unlisted(cards, inputs):
        if wanted in card.names:
            raise CaptureError(f"{wanted!r} {describe_unlisted(card)}")
    raise CaptureError(f"there is no microphone at {wanted!r}")


def describe_unlisted(card: SoundCard) -> str:
    """Say why PortAudio does not list a card, as far as the kernel knows."""
    return f"is in use by process {card.owner}" if card.owner else "is there, but PortAudio cannot open it"


def describe(inputs: Sequence[Input]) -> str:
    """Say in one line what inputs there are, each as a configuration names it best."""
    if not inputs:
        return "PortAudio finds no input at all: connect a microphone"
    return f"inputs are: {', '.join(found.names[0] for found in inputs)}"


def _card_number(name: str) -> int:
    match = _HARDWARE.search(name)
    return int(match[1]) if match else -1


def _sound_card(roots: SystemRoots, number: int) -> SoundCard:
    folder = roots.asound / f"card{number}"
    return SoundCard(
        number=number,
        id=_card_id(folder, number),
        usb_path=_usb_path(roots, number),
        can_capture=any(folder.glob("pcm*c")),
        owner=next(_owners(folder), None),
    )


def _card_id(folder: Path, number: int) -> str:
    try:
        return (folder / "id").read_text(encoding="utf-8").strip()
    except OSError:  # it was pulled out meanwhile
        return str(number)


def _owners(folder: Path) -> Iterator[int]:
    """Give the processes that record from a card: `owner_pid   : 812` in the status of its inputs."""
    for status in folder.glob("pcm*c/sub*/status"):
        with suppress(OSError):
            yield from (int(found) for found in _OWNER.findall(status.read_text(encoding="utf-8")))


def _usb_path(roots: SystemRoots, number: int) -> str:
    """Give the socket from the card's place in the tree of devices: .../usb1/1-1/1-1.2/1-1.2:1.0."""
    place = (roots.sys / "class/sound" / f"card{number}" / "device").resolve()
    below_bus = itertools.dropwhile(lambda part: not _USB_BUS.fullmatch(part), place.parts)
    return next((part for part in reversed(list(below_bus)) if _USB_PATH.fullmatch(part)), "")
