"""`sonyc-device level` and `sonyc-device calibrate`: what they print, and how they end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.codec import encode
from sonyc_contract.levels import Level
from sonyc_contract.messages import BANDS_HZ
from sonyc_device.cli import main
from sonyc_device.state import state_folder
from support.agents import write_toml
from support.signals import noise, write_wav

RATE_HZ = 48_000


def tone(duration_s: float, *, amplitude: float = 1.0) -> np.ndarray:
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * 1_000 * times_s)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """Six seconds of a sine of 1 kHz at -26 dB re full scale."""
    return write_wav(tmp_path / "sine.wav", tone(6, amplitude=0.05), RATE_HZ)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node's configuration."""
    return write_toml(
        tmp_path / "node.toml", {"node_id": "node-1", "state_folder": "state", "capture": {"device": "usb"}}
    )


def documents(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_levels_of_a_file(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["level", str(wav)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{wav}: 6.00 s, 48000 Hz, channel 1 of 1; dBFS"
    assert lines[1] == "  LAeq -29.0  LCeq -29.0  LZeq -29.0  LAFmax -29.0  L10 -29.0  L50 -29.0  L90 -29.0"
    assert "1000: -29.0" in lines[3]
    assert sum(line.count(":") for line in lines[2:]) == len(BANDS_HZ)


def test_levels_as_json_of_every_second_and_of_all(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["level", "--json", "--seconds", str(wav)]) == 0
    *seconds, total = documents(capsys)
    assert [second["second"] for second in seconds] == [0, 1, 2, 3, 4, 5]
    assert {second["covered_s"] for second in seconds} == {1.0}
    assert {round(second["laeq"], 1) for second in seconds} == {-29.0}
    assert (total["file"], total["rate_hz"], total["channel"], total["n_channels"]) == (str(wav), RATE_HZ, 1, 1)
    assert (total["unit"], total["calibration"], total["cut"]) == ("dBFS", None, False)
    assert list(total["bands"]) == [f"{mid_hz:g}" for mid_hz in BANDS_HZ]
    assert total["bands"]["1000"] == pytest.approx(-29.03, abs=0.02)


def test_one_of_two_channels_without_bands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = write_wav(tmp_path / "two.wav", np.stack([tone(2), tone(2, amplitude=0.1)], axis=1), RATE_HZ)
    assert main(["level", "--json", "--no-bands", "--channel", "2", str(wav)]) == 0
    (found,) = documents(capsys)
    assert (found["channel"], found["n_channels"], found["bands"]) == (2, 2, {})
    assert found["laeq"] == pytest.approx(-23.01, abs=0.01)
    assert main(["level", "--channel", "3", str(wav)]) == 1
    assert error(capsys) == f"sonyc-device: {wav}: has 2 channel(s), not 3"


def test_raw_pcm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "sine.raw"
    raw.write_bytes((tone(2).astype(np.float64) * (2**31 - 1)).astype("<i4").tobytes() + b"\0")
    assert main(["level", "--rate", "48000", "--format", "s32le", "--json", str(raw)]) == 0
    (found,) = documents(capsys)
    assert (found["laeq"], found["cut"]) == (pytest.approx(-3.01, abs=0.01), True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rate", "48000"],
        ["--format", "s16le"],
        ["--channels", "2"],
        ["--rate", "1", "--format", "s16le"],
        ["--rate", "48000", "--format", "mp3"],
        ["--channel", "0"],
        ["--channel", "x"],
        [],
    ],
)
def test_wrong_usage(arguments: list[str], wav: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["level", *arguments, *([str(wav)] if arguments else [])])
    assert caught.value.code == 2


def test_one_bad_file_does_not_keep_the_others_from_being_measured(
    tmp_path: Path, wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_wav(tmp_path / "short.wav", tone(0.05), RATE_HZ)
    (tmp_path / "text.wav").write_text("this is no audio")
    absent = tmp_path / "absent.wav"
    assert main(["level", "--json", str(absent), str(tmp_path / "text.wav"), str(short), str(wav)]) == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["file"] for line in captured.out.splitlines()] == [str(wav)]
    lines = captured.err.splitlines()
    assert len(lines) == 3
    assert lines[2] == f"sonyc-device: {short}: is shorter than a tenth of a second, too short for a level"


def test_field_failure_23_levels_are_sound_pressure_only_after_a_calibration(
    wav: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["level", "--json", "--config", str(config), str(wav)]) == 0
    assert documents(capsys)[0]["unit"] == "dBFS"
    assert main(["calibrate", "--json", "--config", str(config), str(wav)]) == 0
    (made,) = documents(capsys)
    assert (made["microphone"], made["calibrator_db"], made["change_db"]) == ("usb", 94.0, None)
    assert main(["level", "--json", "--config", str(config), str(wav)]) == 0
    (found,) = documents(capsys)
    assert (found["unit"], found["calibration"]) == ("dB re 20 uPa", made["id"])
    assert found["laeq"] == pytest.approx(94.0, abs=0.02)
    assert found["bands"]["1000"] == pytest.approx(94.0, abs=0.02)


def test_a_calibration_says_what_changed_and_the_history_is_printed(
    wav: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--config", str(config), str(wav)]) == 0
    assert main(["calibrate", "--config", str(config), "--calibrator", "114", str(wav)]) == 0
    out = capsys.readouterr().out
    assert "change_db     None" in out
    assert "change_db     20.0" in out
    assert main(["calibrate", "--config", str(config), "--history"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("usb, channel 1: full scale is 123.03 dB re 20 uPa")
    assert second.endswith("usb, channel 1: full scale is 143.03 dB re 20 uPa")
    assert main(["calibrate", "--config", str(config), "--history", "--json"]) == 0
    assert [made["calibrator_db"] for made in documents(capsys)] == [94.0, 114.0]


def test_what_is_no_calibrator_is_refused_and_not_kept(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street = write_wav(tmp_path / "street.wav", noise(6, RATE_HZ), RATE_HZ)
    assert main(["calibrate", "--config", str(config), str(street)]) == 1
    assert error(capsys).startswith(f"sonyc-device: {street}: no calibrator: the strongest tone is at ")
    assert not (tmp_path / "state" / "calibration.json").exists()


def test_calibrating_waits_for_no_running_agent(
    tmp_path: Path, wav: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with state_folder(tmp_path / "state"):
        assert main(["calibrate", "--config", str(config), str(wav)]) == 1
    assert "another agent uses it; stop that one" in error(capsys)


@pytest.mark.parametrize("level", ["0", "140", "nan", "loud"])
def test_calibrator_of_no_level(level: str, wav: Path, config: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["calibrate", "--config", str(config), "--calibrator", level, str(wav)])
    assert caught.value.code == 2


def test_damaged_history_is_an_error_for_who_asks_for_it(
    tmp_path: Path, wav: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "calibration.json").write_text("{")
    assert main(["level", "--config", str(config), str(wav)]) == 1
    assert "calibration.json: is damaged" in error(capsys)
    assert main(["calibrate", "--config", str(config), "--json", str(wav)]) == 0
    assert main(["level", "--config", str(config), "--json", str(wav)]) == 0


def test_what_the_decoder_says_of_a_damaged_file_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = encode(noise(2, RATE_HZ), RATE_HZ, level=Level.V5)
    mp3 = tmp_path / "damaged.mp3"
    mp3.write_bytes(data[: len(data) // 2] + bytes(3_000) + data[len(data) // 2 :])
    assert main(["level", "--no-bands", str(mp3)]) == 0
    assert capfd.readouterr().err == ""
