"""Stage `trim` through its files: the loudest part, at the storage rate; bad clips cost themselves only."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sonyc_contract.audio import Audio, resample
from sonyc_trainer.cutting import TrimPlan, filled, trimmed
from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import DROPPED
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Fill, TrimSettings
from sonyc_trainer.tables import TRIMMED, read_table, rows_of
from support.small_datasets import burst_study, write_burst
from support.stage_runs import QUIET

RATE_HZ = 16000


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study of 24 clips of two classes, not yet run."""
    return StudyFolder(tmp_path / "out", burst_study(tmp_path / "audio"))


def table_of(folder: StudyFolder) -> pd.DataFrame:
    run_study(folder, QUIET, until=Stage.TRIM)
    return read_table(folder.trimmed, TRIMMED).set_index("clip_id")


def dropped_of(folder: StudyFolder) -> dict[str, tuple[str, str]]:
    frame = pd.read_csv(folder.dropped(Stage.TRIM))
    return {row["clip_id"]: (row["rule"], row["detail"]) for row in rows_of(frame, DROPPED)}


def read(folder: StudyFolder, name: str) -> np.ndarray:
    samples, rate_hz = soundfile.read(folder.trimmed.parent / name, dtype="int16")
    assert rate_hz == RATE_HZ
    return samples


def test_part_with_the_burst_is_kept(folder: StudyFolder) -> None:
    table = table_of(folder)
    assert len(table) == 24
    assert set(table["duration_s"]) == {0.5}
    assert not table["short"].any()
    assert not table["cut"].any()
    source, _ = soundfile.read(folder.root.parent / "audio" / "dog" / "3-1.wav", dtype="int16")
    row = table.loc["d/dog/3-1"]
    start = round(row["start_s"] * RATE_HZ)
    np.testing.assert_array_equal(read(folder, str(row["file"])), source[start : start + RATE_HZ // 2])
    assert row["labels"] == ["dog"]
    assert row["group"] == "d/3"


def test_files_are_16_bit_flac(folder: StudyFolder) -> None:
    info = soundfile.info(folder.trimmed.parent / table_of(folder)["file"].iloc[0])
    assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_16", 1)


def test_bad_clips_are_dropped_by_name_and_the_others_done(folder: StudyFolder) -> None:
    audio = folder.root.parent / "audio" / "dog"
    (audio / "0-0.wav").write_bytes(b"")
    (audio / "1-0.wav").write_bytes(b"RIFF, and then nothing like it")
    soundfile.write(audio / "2-0.wav", np.array([0.1, np.nan, 0.1]), RATE_HZ, subtype="FLOAT")
    soundfile.write(audio / "3-0.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(audio / "4-0.wav", np.array([0.1, np.inf]), RATE_HZ, subtype="FLOAT")
    table = table_of(folder)
    dropped = dropped_of(folder)
    assert set(dropped) == {f"d/dog/{number}-0" for number in range(5)}
    assert [rule for rule, _ in dropped.values()].count("unreadable") == 4
    assert dropped["d/dog/3-0"][0] == "silent"
    assert "0-0.wav: the file is empty" in dropped["d/dog/0-0"][1]
    assert "sample 1 is nan" in dropped["d/dog/2-0"][1]
    assert len(table) == 19


def test_class_of_which_nothing_is_left_is_refused(folder: StudyFolder) -> None:
    for path in (folder.root.parent / "audio" / "dog").iterdir():
        soundfile.write(path, np.zeros(100), RATE_HZ)
    with pytest.raises(StageError, match="no clip of class 'dog' is left to train on"):
        table_of(folder)
    assert not folder.trimmed.exists()


@pytest.mark.parametrize(("n_channels", "rate_hz", "subtype"), [(2, 48000, "PCM_24"), (6, 8000, "DOUBLE")])
def test_any_rate_and_channels_come_to_the_storage_rate(
    folder: StudyFolder, n_channels: int, rate_hz: int, subtype: str
) -> None:
    path = folder.root.parent / "audio" / "dog" / "0-0.wav"
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    soundfile.write(path, np.tile(tone[:, None], n_channels), rate_hz, subtype=subtype)
    row = table_of(folder).loc["d/dog/0-0"]
    samples = read(folder, str(row["file"]))[1000:-1000] / 32768
    assert len(samples) == RATE_HZ // 2 - 2000
    assert np.sqrt(2 * np.mean(samples**2)) == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("n_samples", [1, 5, 4000])
def test_short_clips_are_kept_and_marked(folder: StudyFolder, n_samples: int) -> None:
    path = folder.root.parent / "audio" / "dog" / "0-0.wav"
    soundfile.write(path, np.full(n_samples, 0.5), RATE_HZ)
    row = table_of(folder).loc["d/dog/0-0"]
    assert row["short"]
    assert row["duration_s"] == n_samples / RATE_HZ
    assert len(read(folder, str(row["file"]))) == n_samples


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_cut_off_recording_is_marked(folder: StudyFolder, suffix: str) -> None:
    path = folder.root.parent / "audio" / "dog" / "0-0.wav"
    path.unlink()
    path = path.with_suffix(suffix)
    write_burst(path, start_s=0.1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    table = table_of(folder)
    assert table.index[table["cut"]].tolist() == ["d/dog/0-0"]
    assert "Files that were cut off, used as far as they go: 1 (d/dog/0-0)." in folder.notes(Stage.TRIM).read_text()


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 192000])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 1000])
def test_shortest_clips_at_any_rate(rate_hz: int, n_samples: int) -> None:
    plan = TrimPlan(TrimSettings(keep_s=0.5, fill=Fill.LOOP, band_limit_hz=5000), RATE_HZ)
    samples, moment = trimmed(Audio(np.full(n_samples, 0.5, np.float32), rate_hz), plan)
    assert len(samples) == RATE_HZ // 2
    assert moment.n_samples >= 1


def test_whole_clips_are_kept_whole_and_filled() -> None:
    rng = np.random.default_rng(1)
    plan = TrimPlan(TrimSettings(mode="whole", keep_s=2, fill="zeros"), RATE_HZ)
    long, short = (Audio(rng.uniform(-1, 1, n).astype(np.float32), RATE_HZ) for n in (5 * RATE_HZ, RATE_HZ))
    np.testing.assert_array_equal(trimmed(long, plan)[0], long.samples)
    samples, moment = trimmed(short, plan)
    np.testing.assert_array_equal(samples, np.pad(short.samples, (0, RATE_HZ)))
    assert (moment.start, moment.n_samples) == (0, RATE_HZ)


def test_joins_of_a_repeated_clip_keep_the_band_limit() -> None:
    ramp = np.linspace(-0.5, 0.5, RATE_HZ // 20, dtype=np.float32)
    plan = TrimPlan(TrimSettings(mode="whole", keep_s=1, fill="loop", band_limit_hz=4000), RATE_HZ)
    samples, _ = trimmed(Audio(ramp, RATE_HZ), plan)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    above = np.fft.rfftfreq(len(samples), 1 / RATE_HZ) >= 4000
    assert spectrum[above].sum() < 1e-7 * spectrum.sum()


def test_notes_say_what_was_cut_and_filled(folder: StudyFolder) -> None:
    path = folder.root.parent / "audio" / "dog" / "0-0.wav"
    soundfile.write(path, np.full(4000, 0.5), RATE_HZ)
    table_of(folder)
    assert folder.notes(Stage.TRIM).read_text().splitlines() == [
        "Clips are cut to their loudest 0.5 s: figures are of these, while a node hears whole clips.",
        "1 of 24 clips are shorter than 0.5 s: they stay so, and length may tell classes apart.",
    ]


def test_fill_lengthens_only_what_is_short() -> None:
    samples = np.arange(3, dtype=np.float32)
    assert filled(samples, 7, Fill.LOOP).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert filled(samples, 5, Fill.ZEROS).tolist() == [0, 1, 2, 0, 0]
    assert filled(samples, 5, Fill.NONE) is samples
    assert filled(samples, 2, Fill.LOOP) is samples


def test_band_limit_comes_before_the_search() -> None:
    """A loud whistle above the limit must not decide what is kept."""
    rng = np.random.default_rng(1)
    samples = (0.001 * rng.standard_normal(10 * RATE_HZ)).astype(np.float32)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    samples[2 * RATE_HZ : 3 * RATE_HZ] += (0.1 * np.sin(2 * np.pi * 500 * time_s)).astype(np.float32)
    samples[7 * RATE_HZ : 8 * RATE_HZ] += (0.5 * np.sin(2 * np.pi * 7000 * time_s)).astype(np.float32)
    moments = [
        trimmed(Audio(samples, RATE_HZ), TrimPlan(TrimSettings(band_limit_hz=limit_hz), RATE_HZ))[1]
        for limit_hz in (None, 5000)
    ]
    assert [moment.start / RATE_HZ for moment in moments] == pytest.approx([6.5, 1.5], abs=0.11)


def test_sources_of_any_rate_agree() -> None:
    rng = np.random.default_rng(1)
    wide = rng.standard_normal(5 * 48000).astype(np.float32) * 0.01
    wide[48000 * 3 : 48000 * 4] *= 10
    plan = TrimPlan(TrimSettings(), RATE_HZ)
    starts = [
        trimmed(Audio(resample(wide, 48000, rate_hz), rate_hz), plan)[1].start for rate_hz in (48000, 32000, 22050)
    ]
    assert max(starts) - min(starts) <= 0.1 * RATE_HZ
