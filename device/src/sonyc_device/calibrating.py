"""Hears a sound calibrator on a node's microphone, or in a file, and keeps what its tone says of the sensitivity."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sonyc_device
from sonyc_contract.audio import open_audio
from sonyc_contract.errors import AudioError
from sonyc_device.capture.assembly import microphone_settings
from sonyc_device.capture.microphone import MicrophoneSource
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource, Block, End
from sonyc_device.clock import Clock
from sonyc_device.config import CaptureKind, CaptureSettings
from sonyc_device.errors import CalibrationError
from sonyc_device.level.calibration import Calibration, microphone_name
from sonyc_device.level.tone import Tone, ToneSearch

RING_S: Final = 10.0
STALLED_AFTER_S: Final = 10.0
_READ_S: Final = 0.5


@dataclass(frozen=True)
class HeardTone:
    """A calibrator's tone, and what it was heard in.

    Attributes:
        tone: The tone.
        rate_hz: Samples per second.
        heard_in: "microphone", or a file's name.
    """

    tone: Tone
    rate_hz: int
    heard_in: str


def hear_microphone(capture: CaptureSettings, *, for_s: float) -> HeardTone:
    """Listen to the node's microphone until five seconds of a calibrator's tone have come.

    Raises:
        CalibrationError: none came within `for_s`, with the reason; or the node replays files.
        CaptureError: the microphone cannot be opened, or fails.
    """
    if capture.source is not CaptureKind.MICROPHONE:
        raise CalibrationError(
            "this node replays files ([capture] source = 'files'): name the FILE that holds the tone"
        )
    source = MicrophoneSource(microphone_settings(capture))
    return HeardTone(hear(source, rate_hz=capture.rate_hz, for_s=for_s), capture.rate_hz, "microphone")


def hear(source: AudioSource, *, rate_hz: int, for_s: float) -> Tone:
    """As `hear_microphone`, from any source."""
    search = ToneSearch(rate_hz)
    ring = Ring(round(RING_S * rate_hz), stalled_after_s=STALLED_AFTER_S)
    source.start(ring)
    try:
        n_left = round(for_s * rate_hz)
        while n_left > 0:
            item = ring.read(min(n_left, round(_READ_S * rate_hz)))
            if isinstance(item, Block):
                n_left -= len(item.samples)
                tone = search.push(item.samples)
                if tone is not None:
                    return tone
            elif isinstance(item, End):
                raise item.error or CalibrationError(f"no calibrator: {search.refusal()}")
            else:
                search.restart()
    finally:
        source.stop()
    raise CalibrationError(f"no calibrator within {for_s:g} s: {search.refusal()}")


def hear_file(path: Path, *, channel: int) -> HeardTone:
    """Look for five seconds of a calibrator's tone in a recording.

    Args:
        path: The recording.
        channel: Which channel, from 1; the only one of a file that has one.

    Raises:
        AudioError: the file cannot be read, or has no such channel.
        CalibrationError: there is none, with the reason.
    """
    with open_audio(path) as reader:
        index = 0 if reader.n_channels == 1 else channel - 1
        if index >= reader.n_channels:
            raise AudioError(f"{path}: has {reader.n_channels} channels, not {channel}")
        search = ToneSearch(reader.rate_hz)
        for block in reader.blocks(channel=index):
            tone = search.push(block)
            if tone is not None:
                return HeardTone(tone, reader.rate_hz, path.name)
    raise CalibrationError(f"{path}: no calibrator: {search.refusal()}")


def calibration_of(heard: HeardTone, capture: CaptureSettings, *, calibrator_db: float, clock: Clock) -> Calibration:
    """Make the calibration that a tone of a known sound pressure level gives."""
    tone = heard.tone
    return Calibration(
        id=secrets.token_hex(8),
        utc=clock.utc(),
        clock=clock.quality(),
        microphone=microphone_name(capture),
        channel=capture.channel,
        rate_hz=heard.rate_hz,
        heard_in=heard.heard_in,
        calibrator_db=calibrator_db,
        frequency_hz=round(tone.frequency_hz, 2),
        tone_dbfs=round(tone.level_dbfs, 3),
        offset_db=round(calibrator_db - tone.level_dbfs, 3),
        spread_db=round(tone.spread_db, 3),
        residual_db=round(tone.residual_db, 1),
        agent_version=sonyc_device.__version__,
    )
