"""The history of calibrations: what is kept, which one holds, and what a damaged file does (field failure 23)."""

import contextlib
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.messages import ClockQuality
from sonyc_device.config import CaptureSettings
from sonyc_device.errors import CalibrationError
from sonyc_device.level.calibration import (
    FILE_NAME,
    FULL_SCALE,
    Calibration,
    Reference,
    add_calibration,
    read_history,
    reference_in,
)

USB = CaptureSettings(device="USB microphone")


def calibration(
    number: int, *, microphone: str = "USB microphone", channel: int = 1, offset_db: float = 120
) -> Calibration:
    return Calibration(
        id=f"{number:016x}",
        utc=datetime(2026, 11, 23, 10, number, tzinfo=UTC),
        clock=ClockQuality.SYNCED,
        microphone=microphone,
        channel=channel,
        rate_hz=48_000,
        heard_in="microphone",
        calibrator_db=94.0,
        frequency_hz=1_000.2,
        tone_dbfs=94.0 - offset_db,
        offset_db=offset_db,
        spread_db=0.02,
        residual_db=-41.0,
        agent_version="0.1.0",
    )


def test_a_node_that_was_never_calibrated_has_full_scale_as_its_reference(tmp_path: Path) -> None:
    assert read_history(tmp_path).calibrations == ()
    assert reference_in(tmp_path, USB) == FULL_SCALE == Reference(0.0, "dBFS", None)


def test_field_failure_23_calibrations_are_kept_with_date_microphone_and_history(tmp_path: Path) -> None:
    assert add_calibration(tmp_path, calibration(1)) is None
    assert add_calibration(tmp_path, calibration(2, offset_db=119.7)) == calibration(1)
    document = json.loads((tmp_path / FILE_NAME).read_text())
    assert document["schema"] == "sonyc.calibration/1"
    assert [entry["utc"] for entry in document["calibrations"]] == [
        "2026-11-23T10:01:00.000000Z",
        "2026-11-23T10:02:00.000000Z",
    ]
    assert {entry["microphone"] for entry in document["calibrations"]} == {"USB microphone"}
    assert reference_in(tmp_path, USB) == Reference(119.7, "dB re 20 uPa", f"{2:016x}")


def test_a_calibration_holds_for_its_own_microphone_and_channel_only(tmp_path: Path) -> None:
    add_calibration(tmp_path, calibration(1))
    add_calibration(tmp_path, calibration(2, channel=2))
    add_calibration(tmp_path, calibration(3, microphone="files"))
    add_calibration(tmp_path, calibration(4, microphone="default input"))
    history = read_history(tmp_path)
    expected = {1: USB, 2: CaptureSettings(device="USB microphone", channels=2, channel=2)}
    expected |= {3: CaptureSettings(source="files", files=("a.wav",)), 4: CaptureSettings()}
    for number, capture in expected.items():
        assert history.reference(capture).calibration == f"{number:016x}"
    assert history.reference(CaptureSettings(device="another")) == FULL_SCALE


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\x00" * 40, b'{"schema": "sonyc.calibration/2"}', b'{"calibrations": 1}']
)
def test_a_damaged_history_is_named_and_does_not_keep_the_agent_from_measuring(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CalibrationError, match=r"calibration\.json: is damaged, or of a newer agent: "):
        read_history(tmp_path)
    with caplog.at_level(logging.ERROR):
        assert reference_in(tmp_path, USB) == FULL_SCALE
    assert "sound levels are in dBFS" in caplog.text
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_damaged_history_is_kept_when_a_new_one_is_begun(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{")
    add_calibration(tmp_path, calibration(1))
    assert [found.id for found in read_history(tmp_path).calibrations] == [f"{1:016x}"]
    (aside,) = tmp_path.glob("calibration.json.damaged-*")
    assert aside.read_bytes() == b"{"


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"absent/calibration\.json: cannot be written: No such file"):
        add_calibration(tmp_path / "absent", calibration(1))
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(CalibrationError, match="cannot be read: Is a directory"):
        add_calibration(tmp_path, calibration(1))


@given(position=st.integers(0, 600), replacement=st.binary(max_size=20), n_cut=st.integers(0, 40))
def test_a_mutated_history_gives_our_own_error_or_calibrations(
    position: int, replacement: bytes, n_cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")
    add_calibration(folder, calibration(1))
    data = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(data[:position] + replacement + data[position + n_cut :])
    with contextlib.suppress(CalibrationError):
        assert len(read_history(folder).calibrations) <= 1
    add_calibration(folder, calibration(2))
    assert read_history(folder).calibrations[-1] == calibration(2)
