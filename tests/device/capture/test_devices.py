"""Microphones by what stays the same, in trees such as the kernel makes them, and as the command lists them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sonyc_device.capture.devices import (
    Input,
    SoundCard,
    SystemRoots,
    describe,
    find_input,
    inputs_of,
    sound_cards,
    unlisted,
)
from sonyc_device.capture.microphone import MicrophoneSettings, MicrophoneSource, PortAudio
from sonyc_device.capture.ring import Ring
from sonyc_device.cli import main
from sonyc_device.errors import CaptureError
from support.port_audio import FakePortAudio
from support.pulse import PulseSource

PCI = "devices/pci0000:00/0000:00:14.0"
SOCKETS = {"1-1.2": f"{PCI}/usb1/1-1/1-1.2/1-1.2:1.0", "1-1.4": f"{PCI}/usb1/1-1/1-1.4/1-1.4:1.0"}
HAT = "devices/platform/soc/fe804000.i2c/i2c-1/1-001a"

MakeCard = Callable[..., None]


@pytest.fixture
def roots(tmp_path: Path) -> SystemRoots:
    """Empty trees."""
    return SystemRoots(asound=tmp_path / "asound", sys=tmp_path / "sys")


@pytest.fixture
def add_card(roots: SystemRoots) -> MakeCard:
    """Adds a card to the trees as the kernel does."""

    def add(number: int, card_id: str, place: str, *, can_capture: bool = True, owner: int | None = None) -> None:
        folder = roots.asound / f"card{number}"
        folder.mkdir(parents=True)
        (folder / "id").write_text(f"{card_id}\n")
        status = folder / ("pcm0c" if can_capture else "pcm0p") / "sub0" / "status"
        status.parent.mkdir(parents=True)
        status.write_text(f"state: RUNNING\nowner_pid   : {owner}\ndelay       : 0\n" if owner else "closed\n")
        device = roots.sys / place
        device.mkdir(parents=True, exist_ok=True)
        shown = roots.sys / "class" / "sound" / f"card{number}"
        shown.mkdir(parents=True)
        (shown / "device").symlink_to(device)

    return add


def microphones(*names: str) -> list[dict[str, object]]:
    """As PortAudio lists them, after an output."""
    names = ("HDMI (hw:0,3)", *names)
    return [
        {"name": name, "max_input_channels": int(n > 0), "default_samplerate": 44_100.0} for n, name in enumerate(names)
    ]


def test_cards_are_listed_with_their_sockets(roots: SystemRoots, add_card: MakeCard) -> None:
    add_card(10, "Device_1", SOCKETS["1-1.4"])
    add_card(2, "Device", SOCKETS["1-1.2"], owner=812)
    add_card(0, "hifi", HAT)  # on an I2C bus, of which the address looks like a USB socket
    add_card(1, "HDMI", f"{PCI}/sound", can_capture=False)
    assert sound_cards(roots) == [
        SoundCard(0, "hifi", ""),
        SoundCard(1, "HDMI", "", can_capture=False),
        SoundCard(2, "Device", "1-1.2", owner=812),
        SoundCard(10, "Device_1", "1-1.4"),
    ]
    assert sound_cards(SystemRoots(asound=roots.asound / "none", sys=roots.sys)) == []


def test_row_10_microphone_is_found_in_its_socket_whatever_its_number(roots: SystemRoots, add_card: MakeCard) -> None:
    add_card(1, "Device", SOCKETS["1-1.4"])
    add_card(2, "Device_1", SOCKETS["1-1.2"])
    inputs = inputs_of(microphones("USB: Audio (hw:1,0)", "USB: Audio (hw:2,0)", "pulse"), sound_cards(roots))
    assert [found.names for found in inputs] == [
        ("usb:1-1.4", "card:Device", "USB: Audio (hw:1,0)"),
        ("usb:1-1.2", "card:Device_1", "USB: Audio (hw:2,0)"),
        ("pulse",),
    ]
    assert find_input("usb:1-1.2", inputs) == inputs[1].index == 2
    assert find_input("card:Device", inputs) == 1
    assert find_input("pulse", inputs) == "pulse"
    assert find_input("", inputs) is None
    swapped = inputs_of(microphones("USB: Audio (hw:2,0)", "USB: Audio (hw:1,0)"), sound_cards(roots))
    assert find_input("usb:1-1.2", swapped) == 1


def test_row_10_stream_is_opened_on_the_microphone_in_the_socket(
    roots: SystemRoots, add_card: MakeCard, port_audio: FakePortAudio
) -> None:
    add_card(3, "Device", SOCKETS["1-1.2"])
    port_audio.devices = microphones("other (hw:1,0)", "USB: Audio (hw:3,0)")
    MicrophoneSource(MicrophoneSettings("usb:1-1.2"), roots=roots).start(Ring(10))
    assert port_audio.settings["device"] == 2
    with pytest.raises(CaptureError, match=r"cannot record from 'usb:1-1' .* no microphone at 'usb:1-1'; inputs are: "):
        MicrophoneSource(MicrophoneSettings("usb:1-1"), roots=roots).start(Ring(10))


def test_row_10_microphone_that_comes_back_under_another_number_is_found_again(
    roots: SystemRoots, add_card: MakeCard, port_audio: FakePortAudio
) -> None:
    add_card(1, "Device", SOCKETS["1-1.2"])
    port_audio.devices = microphones("USB: Audio (hw:1,0)")
    system = PortAudio(MicrophoneSettings("usb:1-1.2"), roots=roots)
    system.open().start(Ring(10))
    assert port_audio.settings["device"] == 1
    shutil.rmtree(roots.asound / "card1")
    add_card(2, "Device", SOCKETS["1-1.2"])
    port_audio.devices = microphones("other (hw:1,0)", "USB: Audio (hw:2,0)")
    with pytest.raises(CaptureError, match=r"'usb:1-1\.2' is there, but PortAudio cannot open it"):
        system.open().start(Ring(10))
    system.rescan()
    system.open().start(Ring(10))
    assert port_audio.settings["device"] == 2


def test_microphone_that_somebody_else_uses_is_named_so(roots: SystemRoots, add_card: MakeCard) -> None:
    add_card(1, "Device", SOCKETS["1-1.2"], owner=812)
    add_card(2, "Broken", SOCKETS["1-1.4"])
    cards = sound_cards(roots)
    assert unlisted(cards, []) == cards
    with pytest.raises(CaptureError, match=r"'usb:1-1\.2' is in use by process 812"):
        find_input("usb:1-1.2", [], cards)
    with pytest.raises(CaptureError, match="'card:Broken' is there, but PortAudio cannot open it"):
        find_input("card:Broken", [], cards)
    with pytest.raises(CaptureError, match="there is no microphone at 'card:Gone'"):
        find_input("card:Gone", [], cards)


def test_inputs_are_described_by_their_most_stable_names() -> None:
    usb = Input(3, "USB: Audio (hw:1,0)", 1, 48_000, SoundCard(1, "Device", "1-1.2"))
    hat = Input(4, "hifi: codec (hw:0,0)", 2, 48_000, SoundCard(0, "hifi", ""))
    assert describe([usb, hat]) == "inputs are: usb:1-1.2, card:hifi"
    assert describe([]) == "PortAudio finds no input at all: connect a microphone"


def test_command_lists_what_to_put_into_the_configuration(
    pulse_source: PulseSource, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--json"]) == 0
    (pulse,) = [found for found in json.loads(capsys.readouterr().out) if found["device"] == "pulse"]
    assert pulse["names"] == ["pulse"]
    assert pulse["channels"] >= 1
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("pulse ") and line.endswith(" Hz  pulse") for line in lines)


def test_command_fails_where_there_is_no_microphone(
    port_audio: FakePortAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    port_audio.devices = []
    assert main(["devices"]) == 1
    message = "sonyc-device: PortAudio finds no input at all: connect a microphone\n"
    assert tuple(capsys.readouterr()) == ("", message)
