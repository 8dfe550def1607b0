"""Commands for sound levels: of files, and the calibration that makes sound pressure of them."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_contract.errors import AudioError
from sonyc_device.cli.output import FAILURE, OK, add_config, add_json, fail, report, seconds

if TYPE_CHECKING:
    from sonyc_device.cli.output import Commands
    from sonyc_device.config import NodeConfig
    from sonyc_device.level.calibration import Calibration, CalibrationHistory, Reference
    from sonyc_device.level.figures import Figures
    from sonyc_device.level.file_levels import RawPcm

_RAW_FORMATS = ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be")
_CALIBRATOR_DB = 94.0
_CALIBRATORS_DB = (80.0, 130.0)
_LISTEN_S = 60.0
_MAX_CHANNELS = 64
_BANDS_PER_LINE = 10
_NAMES = {
    "laeq": "LAeq", "lceq": "LCeq", "lzeq": "LZeq", "lafmax": "LAFmax", "l10": "L10", "l50": "L50", "l90": "L90",
}  # fmt: skip


def add_commands(commands: "Commands") -> None:
    """Add `level` and `calibrate`."""
    _add_level(commands.add_parser("level", help="sound levels of audio files, as a node measures them"))
    _add_calibrate(commands.add_parser("calibrate", help="hear a 1 kHz calibrator, and keep the sensitivity"))


def _add_level(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints LAeq, LCeq, LZeq, LAFmax, L10, L50, L90 and third-octave bands of each file: the whole of it, and each "
        "second with --seconds. Without --config they are dBFS, re a full-scale square wave: a full-scale sine has "
        "-3.01. --rate and --format read raw PCM, from /dev/stdin too."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an audio file, or a folder of them")
    parser.add_argument("--channel", type=_count, default=1, metavar="N", help="which channel, from 1 (default 1)")
    parser.add_argument("--seconds", action="store_true", help="print each second too")
    parser.add_argument("--no-bands", action="store_true", help="leave third-octave bands out, which is faster")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="use the calibration of the node with this TOML file"
    )
    parser.add_argument("--rate", type=_rate, metavar="HZ", help="raw PCM: samples per second")
    parser.add_argument("--format", choices=_RAW_FORMATS, help="raw PCM: how a sample is written")
    parser.add_argument("--channels", type=_count, default=1, metavar="N", help="raw PCM: channels (default 1)")
    add_json(parser)
    parser.set_defaults(command=_level, parser=parser)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Put the calibrator on the microphone, switch it on, and run this while the agent is stopped: five seconds of "
        "a clean and steady tone of 1 kHz give the sensitivity (offset_db: the sound pressure level of full scale), "
        "which is kept in the state folder with its date and all earlier ones. With FILE the tone is looked for in a "
        "recording of that microphone."
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a recording; the microphone by default")
    parser.add_argument(
        "--calibrator",
        type=_sound_pressure,
        default=_CALIBRATOR_DB,
        metavar="DB",
        help="the calibrator's sound pressure level: 94 (the default), 114, or what its sheet says for your microphone",
    )
    parser.add_argument(
        "--wait", type=seconds, default=_LISTEN_S, metavar="S", help="how long to listen for it (default %(default)g)"
    )
    parser.add_argument("--history", action="store_true", help="only print the calibrations that were made")
    add_config(parser)
    add_json(parser)
    parser.set_defaults(command=_calibrate)


def _level(arguments: argparse.Namespace) -> int:
    from sonyc_device.level.calibration import FULL_SCALE

    raw = _raw(arguments)
    reference = FULL_SCALE if arguments.config is None else _reference(arguments.config)
    return max(_level_all(path, arguments, raw, reference) for path in arguments.files)


def _raw(arguments: argparse.Namespace) -> "RawPcm | None":
    from sonyc_device.level.file_levels import RawFormat, RawPcm

    if arguments.rate is None and arguments.format is None:
        if arguments.channels != 1:
            arguments.parser.error("--channels is for raw PCM, which needs --rate and --format")
        return None
    if arguments.rate is None or arguments.format is None:
        arguments.parser.error("raw PCM needs both --rate and --format")
    return RawPcm(arguments.rate, RawFormat(arguments.format), arguments.channels)


def _reference(path: Path) -> "Reference":
    from sonyc_device.config import load_config
    from sonyc_device.level.calibration import read_history

    config = load_config(path)
    return read_history(config.state_folder).reference(config.capture)


def _level_all(named: Path, arguments: argparse.Namespace, raw: "RawPcm | None", reference: "Reference") -> int:
    """Measure a file, or every one in a folder; one that is bad does not keep the others from being done."""
    from sonyc_device.capture.audio_files import find_audio

    try:
        files = [named] if raw else find_audio([named])
    except AudioError as error:
        return fail(error, FAILURE)
    return max(_level_one(path, arguments, raw, reference) for path in files)


def _level_one(path: Path, arguments: argparse.Namespace, raw: "RawPcm | None", reference: "Reference") -> int:
    from sonyc_device.classification import native_messages_muted
    from sonyc_device.level.file_levels import Measurement, open_recording

    try:
        with native_messages_muted(), open_recording(path, raw=raw) as recording:
            if arguments.channel > recording.n_channels:
                raise AudioError(f"{path}: has {recording.n_channels} channel(s), not {arguments.channel}")
            measurement = Measurement(recording.rate_hz, with_bands=not arguments.no_bands)
            for number, figures in measurement.seconds(recording.blocks(channel=arguments.channel - 1)):
                if arguments.seconds:
                    _print_second(path, number, figures.shifted(reference.offset_db), as_json=arguments.json)
    except AudioError as error:  # which names the file
        return fail(error, FAILURE)
    total = measurement.total()
    if total is None:
        return fail(f"{path}: is shorter than a tenth of a second, too short for a level", FAILURE)
    facts = {
        "rate_hz": recording.rate_hz,
        "channel": arguments.channel,
        "n_channels": recording.n_channels,
        "cut": recording.is_cut,
        "unit": reference.unit,
        "calibration": reference.calibration,
    }
    _print_total(path, facts, total.shifted(reference.offset_db), as_json=arguments.json)
    return OK


def _print_second(path: Path, number: int, figures: "Figures", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(path), "second": number, **_document(figures)}))
    else:
        print(f"{number:>7} s  {_line(figures)}")


def _print_total(path: Path, facts: dict[str, object], figures: "Figures", *, as_json: bool) -> None:
    from sonyc_contract.messages import BANDS_HZ

    if as_json:
        print(json.dumps({"file": str(path), **facts, **_document(figures)}), flush=True)
        return
    print(
        f"{path}: {figures.covered_s:.2f} s, {facts['rate_hz']} Hz, channel {facts['channel']} of {facts['n_channels']}"
        f"{', cut short' if facts['cut'] else ''}; {facts['unit']}"
    )
    print(f"  {_line(figures)}")
    bands = [f"{mid_hz:g}: {level:.1f}" for mid_hz, level in zip(BANDS_HZ, figures.bands, strict=False)]
    for first in range(0, len(bands), _BANDS_PER_LINE):
        print(f"  {'Hz' if first == 0 else '  '} {'  '.join(bands[first : first + _BANDS_PER_LINE])}", flush=True)


def _document(figures: "Figures") -> dict[str, object]:
    from sonyc_contract.messages import BANDS_HZ

    levels = {name: round(getattr(figures, name), 2) for name in _NAMES}
    bands = {f"{mid_hz:g}": round(level, 2) for mid_hz, level in zip(BANDS_HZ, figures.bands, strict=False)}
    return {"covered_s": round(figures.covered_s, 3), **levels, "bands": bands}


def _line(figures: "Figures") -> str:
    return "  ".join(f"{text} {getattr(figures, name):.1f}" for name, text in _NAMES.items())


def _calibrate(arguments: argparse.Namespace) -> int:
    from sonyc_device.config import load_config
    from sonyc_device.level.calibration import read_history

    config = load_config(arguments.config)
    if arguments.history:
        _print_history(read_history(config.state_folder), as_json=arguments.json)
        return OK
    made, before = _make_calibration(config, arguments)
    change_db = None if before is None else round(made.offset_db - before.offset_db, 3)
    report({**made.model_dump(mode="json"), "change_db": change_db}, as_json=arguments.json)
    return OK


def _make_calibration(
    config: "NodeConfig", arguments: argparse.Namespace
) -> tuple["Calibration", "Calibration | None"]:
    from sonyc_device.calibrating import calibration_of, hear_file, hear_microphone
    from sonyc_device.clock import SystemClock
    from sonyc_device.level.calibration import add_calibration
    from sonyc_device.state import state_folder

    with state_folder(config.state_folder) as folder:  # an agent reads it when it starts, and holds the microphone
        if arguments.file is None:
            print("listening for the calibrator", file=sys.stderr, flush=True)
            heard = hear_microphone(config.capture, for_s=arguments.wait)
        else:
            heard = hear_file(arguments.file, channel=config.capture.channel)
        made = calibration_of(heard, config.capture, calibrator_db=arguments.calibrator, clock=SystemClock())
        return made, add_calibration(folder, made)


def _print_history(history: "CalibrationHistory", *, as_json: bool) -> None:
    for made in history.calibrations:
        if as_json:
            print(json.dumps(made.model_dump(mode="json")))
        else:
            print(
                f"{made.utc:%Y-%m-%d %H:%M:%S}Z  {made.microphone}, channel {made.channel}: full scale is "
                f"{made.offset_db:.2f} dB re 20 uPa"
            )


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= _MAX_CHANNELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MAX_CHANNELS}")
    return value


def _rate(text: str) -> int:
    from sonyc_contract.audio import MAX_RATE_HZ, MIN_RATE_HZ

    try:
        value = int(text)
    except ValueError:
        value = 0
    if not MIN_RATE_HZ <= value <= MAX_RATE_HZ:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    return value


def _sound_pressure(text: str) -> float:
    low_db, high_db = _CALIBRATORS_DB
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low_db <= value <= high_db:
        raise argparse.ArgumentTypeError(f"{text!r} is not a level from {low_db:g} to {high_db:g} dB")
    return value
