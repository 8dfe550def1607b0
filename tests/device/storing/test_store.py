"""Stored clips: whole, in order, one folder per day."""

import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonyc_contract.codec import encode
from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.messages import AudioReason, ClockQuality, StoredClip
from sonyc_contract.stored import read_sidecar
from sonyc_device.errors import StoreError
from sonyc_device.storing.store import ClipStore
from support.signals import noise

SESSION = "0123456789abcdef"


@pytest.fixture(scope="module")
def mp3() -> bytes:
    """One encoded second."""
    return encode(noise(1.0, 48_000), 48_000, level=Level.V9)


def clip(audio: bytes, *, clock: ClockQuality = ClockQuality.SYNCED) -> StoredClip:
    return StoredClip(
        node="node-1", session=SESSION, seq=7, run="f" * 16, clip_id=f"{SESSION}-7",
        start_utc=datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), clock=clock, sample_index=0, duration_s=1.0,
        capture_rate_hz=48_000, bundle="b" * 64, head="any", reason=AudioReason.MODE_ALL,
        level=Level.V9, storage_rate_hz=48_000, audio_file=f"{SESSION}-7.mp3", sha256=sha256_hex(audio),
        n_bytes=len(audio), encoder="test", probabilities=dict.fromkeys(LABELS, 0.5),
    )  # fmt: skip


def test_a_clip_and_its_sidecar_are_read_back(tmp_path: Path, mp3: bytes) -> None:
    path = ClipStore(tmp_path / "not" / "yet").write(clip(mp3), mp3)
    assert path == tmp_path / "not/yet/2026-11-23" / f"{SESSION}-7.mp3"
    assert path.read_bytes() == mp3
    assert read_sidecar(path) == clip(mp3)
    assert len(list(path.parent.iterdir())) == 2


def test_an_unset_clock_names_no_day(tmp_path: Path, mp3: bytes) -> None:
    path = ClipStore(tmp_path).write(clip(mp3, clock=ClockQuality.UNSET), mp3)
    assert path.parent == tmp_path / "unsynced" / SESSION


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, mp3: bytes) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/2026-11-23/.*cannot be written"):
        ClipStore(tmp_path / "file").write(clip(mp3), mp3)


def test_no_audio_stays_without_its_sidecar(tmp_path: Path, mp3: bytes) -> None:
    in_the_way = tmp_path / "2026-11-23" / f"{SESSION}-7.json"
    in_the_way.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be written"):
        ClipStore(tmp_path).write(clip(mp3), mp3)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path: Path, mp3: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(mp3) - 1, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written: File too large"):
            ClipStore(tmp_path).write(clip(mp3), mp3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
