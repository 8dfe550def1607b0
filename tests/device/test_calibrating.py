"""A calibrator's tone becomes a sensitivity: from a file, from a made-up source, from a real microphone."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.errors import AudioError
from sonyc_contract.messages import ClockQuality
from sonyc_device.calibrating import calibration_of, hear, hear_file, hear_microphone
from sonyc_device.capture.source import GapCause, SampleSink
from sonyc_device.config import CaptureSettings
from sonyc_device.errors import CalibrationError, CaptureError
from sonyc_device.level.calibration import add_calibration, read_history
from support.agents import write_toml
from support.pulse import PulseSource
from support.signals import noise, write_wav

RATE_HZ = 48_000
AMPLITUDE = 0.05
TONE_DBFS = 20 * np.log10(AMPLITUDE) - 3.0103


def tone(duration_s: float) -> np.ndarray:
    return (AMPLITUDE * np.sin(2 * np.pi * 1_000 * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ)).astype(np.float32)


class FixedClock:
    """A clock that stands still."""

    def utc(self) -> datetime:
        return datetime(2026, 11, 23, 10, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0

    def quality(self) -> ClockQuality:
        return ClockQuality.SYNCED


class ScriptedSource:
    """A microphone that delivers what a test says, at once."""

    is_live = True

    def __init__(self, *said: np.ndarray | int, error: CaptureError | None = None) -> None:
        self.said = said
        self.error = error
        self.was_stopped = False

    def start(self, sink: SampleSink) -> None:
        for item in self.said:
            if isinstance(item, int):
                sink.skip(item, GapCause.DEVICE_OVERFLOW)
            else:
                sink.write(np.rint(item * 32_768).astype(np.int16))
        sink.end(self.error)

    def stop(self) -> None:
        self.was_stopped = True


def test_a_file_with_the_tone_gives_the_sensitivity(tmp_path: Path) -> None:
    speech = noise(3, RATE_HZ, level=0.2)
    wav = write_wav(tmp_path / "calibrator.wav", np.concatenate([speech, tone(7)]), RATE_HZ)
    made = calibration_of(hear_file(wav, channel=1), CaptureSettings(), calibrator_db=94.0, clock=FixedClock())
    assert made.tone_dbfs == pytest.approx(TONE_DBFS, abs=0.01)
    assert made.offset_db == pytest.approx(94 - TONE_DBFS, abs=0.01)
    assert (made.utc, made.clock, made.heard_in) == (FixedClock().utc(), ClockQuality.SYNCED, "calibrator.wav")
    assert (made.microphone, made.channel, made.rate_hz) == ("default input", 1, RATE_HZ)


def test_louder_calibrator(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "calibrator.wav", tone(6), RATE_HZ)
    made = calibration_of(hear_file(wav, channel=1), CaptureSettings(), calibrator_db=114.0, clock=FixedClock())
    assert made.offset_db == pytest.approx(114 - TONE_DBFS, abs=0.01)


def test_the_channel_that_the_node_records_is_heard_in_a_file_of_several(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "two.wav", np.stack([noise(6, RATE_HZ), tone(6)], axis=1), RATE_HZ)
    assert hear_file(wav, channel=2).tone.level_dbfs == pytest.approx(TONE_DBFS, abs=0.01)
    with pytest.raises(CalibrationError, match=r"two\.wav: no calibrator: "):
        hear_file(wav, channel=1)
    with pytest.raises(AudioError, match="has 2 channels, not 3"):
        hear_file(wav, channel=3)


def test_a_source_is_heard_until_the_tone_is_certain() -> None:
    source = ScriptedSource(tone(6), noise(1, RATE_HZ))
    assert hear(source, rate_hz=RATE_HZ, for_s=60).level_dbfs == pytest.approx(TONE_DBFS, abs=0.01)
    assert source.was_stopped


def test_a_gap_within_the_tone_begins_it_anew() -> None:
    source = ScriptedSource(tone(4), 480, tone(4))
    with pytest.raises(CalibrationError, match="no calibrator: only 8 s were heard"):
        hear(source, rate_hz=RATE_HZ, for_s=60)


def test_listening_ends_when_no_tone_comes() -> None:
    source = ScriptedSource(noise(9, RATE_HZ))
    with pytest.raises(CalibrationError, match="no calibrator within 3 s: the strongest tone is at"):
        hear(source, rate_hz=RATE_HZ, for_s=3)
    assert source.was_stopped


def test_microphone_that_fails_is_not_called_a_missing_calibrator() -> None:
    with pytest.raises(CaptureError, match="unplugged"):
        hear(ScriptedSource(tone(2), error=CaptureError("unplugged")), rate_hz=RATE_HZ, for_s=60)


def test_node_that_replays_files_has_no_microphone() -> None:
    with pytest.raises(CalibrationError, match="name the FILE that holds the tone"):
        hear_microphone(CaptureSettings(source="files", files=("a.wav",)), for_s=1)


def test_field_failure_23_real_microphone_is_calibrated(tmp_path: Path, pulse_source: PulseSource) -> None:
    tables = {"node_id": "node-1", "state_folder": "state", "capture": {"device": "pulse"}}
    config = write_toml(tmp_path / "node.toml", tables)
    wav = write_wav(tmp_path / "tone.wav", tone(15), RATE_HZ)
    command = [sys.executable, "-m", "sonyc_device", "calibrate", "--config", str(config), "--json"]
    with subprocess.Popen(
        command, env=pulse_source.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "listening for the calibrator\n"
        player = pulse_source.play(wav)
        out, _ = process.communicate(timeout=60)
        player.kill()
        player.wait()
    assert process.returncode == 0
    made = json.loads(out)
    assert (made["microphone"], made["heard_in"], made["change_db"]) == ("pulse", "microphone", None)
    assert made["offset_db"] == pytest.approx(94 - TONE_DBFS, abs=0.1)
    assert len(read_history(tmp_path / "state").calibrations) == 1


def test_history_grows_whatever_heard_it(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "calibrator.wav", tone(6), RATE_HZ)
    for _ in range(2):
        made = calibration_of(hear_file(wav, channel=1), CaptureSettings(), calibrator_db=94.0, clock=FixedClock())
        before = add_calibration(tmp_path, made)
    history = read_history(tmp_path).calibrations
    assert len({found.id for found in history}) == 2
    assert before == history[0]
