"""What makes sound pressure of dBFS: a microphone's sensitivity, with the history of its calibrations."""

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from sonyc_contract.files import write_whole
from sonyc_contract.messages import ClockQuality, LevelUnit, Message, RandomId, UtcTime
from sonyc_contract.settings import describe
from sonyc_device.config import CaptureKind, CaptureSettings
from sonyc_device.errors import CalibrationError

_LOGGER = logging.getLogger(__name__)

FILE_NAME: Final = "calibration.json"


@dataclass(frozen=True)
class Reference:
    """What decibels are related to.

    Attributes:
        offset_db: What is added to dB re a full-scale square wave.
        unit: The name of the sum.
        calibration: Id of the calibration that the offset comes from; None where there is none.
    """

    offset_db: float
    unit: LevelUnit
    calibration: str | None


FULL_SCALE: Final = Reference(0.0, "dBFS", None)


class Calibration(Message):
    """One calibration of one channel of a microphone."""

    id: RandomId
    utc: UtcTime
    clock: ClockQuality
    microphone: str = Field(description="as the configuration names it")
    channel: int = Field(ge=1)
    rate_hz: int = Field(gt=0)
    heard_in: str = Field(description="microphone, or the name of the file that held the tone")
    calibrator_db: float = Field(description="sound pressure level of the calibrator, dB re 20 uPa")
    frequency_hz: float = Field(gt=0, description="of the tone")
    tone_dbfs: float = Field(description="level of the tone, dB re a full-scale square wave")
    offset_db: float = Field(description="sound pressure level of a full-scale square wave: what is added to dBFS")
    spread_db: float = Field(ge=0, description="highest less lowest level of the tone, by half seconds")
    residual_db: float = Field(description="level of all else that was heard, re the tone")
    agent_version: str

    @property
    def reference(self) -> Reference:
        """What levels are related to after this calibration."""
        return Reference(self.offset_db, "dB re 20 uPa", self.id)


class CalibrationHistory(Message):
    """All calibrations made on a node, the newest last; none is ever taken out."""

    schema_id: Literal["sonyc.calibration/1"] = Field(default="sonyc.calibration/1", alias="schema")
    calibrations: tuple[Calibration, ...] = ()

    def newest(self, microphone: str, channel: int) -> Calibration | None:
        """Give the newest calibration of one channel of a microphone; None where there is none."""
        its_own = [found for found in self.calibrations if (found.microphone, found.channel) == (microphone, channel)]
        return its_own[-1] if its_own else None

    def reference(self, capture: CaptureSettings) -> Reference:
        """Say what levels of `capture` are related to: full scale until it is calibrated."""
        calibration = self.newest(microphone_name(capture), capture.channel)
        return FULL_SCALE if calibration is None else calibration.reference


def microphone_name(capture: CaptureSettings) -> str:
    """Name what is recorded from, as calibrations do."""
    return "files" if capture.source is CaptureKind.FILES else capture.device or "default input"


def read_history(state_folder: Path) -> CalibrationHistory:
    """Read a node's calibrations; none where the file is missing.

    Raises:
        CalibrationError: it cannot be read, or is damaged.
    """
    path = state_folder / FILE_NAME
    try:
        return CalibrationHistory.model_validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return CalibrationHistory()
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise CalibrationError(f"{path}: is damaged, or of a newer agent: {describe(error)}") from error


def reference_in(state_folder: Path, capture: CaptureSettings) -> Reference:
    """As `CalibrationHistory.reference`; a history that cannot be read is logged, and full scale is the reference."""
    try:
        reference = read_history(state_folder).reference(capture)
    except CalibrationError as error:
        _LOGGER.error("sound levels are in dBFS: %s; repair it, or calibrate again", error)
        return FULL_SCALE
    if reference is FULL_SCALE:
        _LOGGER.info("sound levels are in dBFS: %r was never calibrated", microphone_name(capture))
    return reference


def add_calibration(state_folder: Path, calibration: Calibration) -> Calibration | None:
    """Add a calibration to the history; a damaged one is kept under another name, and a new one begun.

    Returns:
        The calibration of the same channel that this one follows.

    Raises:
        CalibrationError: the history cannot be read or written.
    """
    path = state_folder / FILE_NAME
    history = _history_or_set_aside(path)
    longer = CalibrationHistory(calibrations=(*history.calibrations, calibration))
    try:
        write_whole(path, longer.model_dump_json(by_alias=True, indent=1).encode() + b"\n")
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be written: {error.strerror or error}") from error
    return history.newest(calibration.microphone, calibration.channel)


def _history_or_set_aside(path: Path) -> CalibrationHistory:
    try:
        return read_history(path.parent)
    except CalibrationError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(2)}")
        _LOGGER.warning("%s; kept as %s, and a new history is begun", error, aside.name)
        path.rename(aside)
        return CalibrationHistory()
