"""UrbanSound8K: folds, source recordings, the mapping to SONYC's classes, and refusals."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonyc_contract.audio import read_audio
from sonyc_trainer.cutting import TrimPlan, trimmed
from sonyc_trainer.datasets.urbansound8k import CLASSES, list_clips
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetFormat, TrimSettings
from support.small_datasets import settings_of, write_urbansound8k

ROWS = [
    ("100-3-0-0.wav", 100, 1, "dog_bark"),
    ("100-3-0-1.flac", 100, 1, "dog_bark"),
    ("200-0-0-0.mp3", 200, 2, "air_conditioner"),
    ("300-9-0-0.ogg", 300, 10, "street_music"),
]


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as error:
        list_clips(settings_of(DatasetFormat.URBANSOUND8K, folder, **options))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_clips_have_class_fold_and_recording(tmp_path: Path) -> None:
    clips = list_clips(settings_of(DatasetFormat.URBANSOUND8K, write_urbansound8k(tmp_path, ROWS))).clips
    assert [(clip.clip_id, clip.labels, clip.group, clip.fold) for clip in clips] == [
        ("d/fold1/100-3-0-0", ["dog"], "freesound/100", 1),
        ("d/fold1/100-3-0-1", ["dog"], "freesound/100", 1),
        ("d/fold2/200-0-0-0", [], "freesound/200", 2),
        ("d/fold10/300-9-0-0", ["music"], "freesound/300", 10),
    ]
    assert all(Path(clip.path).is_file() for clip in clips)


def test_study_can_map_classes_otherwise(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    mapping = {"air_conditioner": "engine"}
    clips = list_clips(settings_of(DatasetFormat.URBANSOUND8K, tmp_path, classes=mapping)).clips
    assert [clip.labels for clip in clips] == [[], [], ["engine"], []]


def test_mapping_of_a_class_that_there_is_not_is_refused(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    assert "'classes' maps 'dog_brak', which is no class of it" in refusal(tmp_path, classes={"dog_brak": "dog"})


def test_class_can_be_background(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    clips = list_clips(settings_of(DatasetFormat.URBANSOUND8K, tmp_path, background=["air_conditioner"])).clips
    assert [clip.is_background for clip in clips] == [False, False, True, False]
    assert clips[2].labels == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("air", "'background' names 'air', which is no class of it"), ("siren", "'siren', which is one of the eight")],
)
def test_background_that_is_no_class_or_one_of_the_eight_is_refused(tmp_path: Path, name: str, message: str) -> None:
    write_urbansound8k(tmp_path, ROWS)
    assert message in refusal(tmp_path, background=[name])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("9.wav", 9, 1, "cat"), "line 3: class is 'cat'"),
        (("9.wav", 9, 11, "siren"), "line 3: fold is '11'"),
        (ROWS[0], "line 3: 100-3-0-0.wav is listed a second time"),
    ],
)
def test_bad_row_is_refused(tmp_path: Path, row: tuple[str, int, int, str], message: str) -> None:
    text = refusal(write_urbansound8k(tmp_path, [ROWS[0], row]))
    assert message in text
    assert "UrbanSound8K.csv" in text


def test_missing_files_are_refused(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    (tmp_path / "audio" / "fold2" / "200-0-0-0.mp3").unlink()
    assert "fold2/200-0-0-0.mp3' is not there" in refusal(tmp_path)


def test_other_folder_is_refused(tmp_path: Path) -> None:
    assert "has no metadata/UrbanSound8K.csv" in refusal(tmp_path)


def test_missing_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text("slice_file_name,fold,class\na.wav,1,siren\n")
    assert "column 'fsID' is missing" in refusal(tmp_path)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "MS_ADPCM", "IMA_ADPCM"])
@pytest.mark.parametrize("rate_hz", [11_024, 192_000])
def test_audio_may_be_as_uploaded(tmp_path: Path, subtype: str, rate_hz: int) -> None:
    """The dataset's WAV files have the rates, channels and bit depths of what was uploaded to Freesound."""
    write_urbansound8k(tmp_path, [("1-3-0-0.wav", 1, 1, "dog_bark")], with_audio=False)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    path = tmp_path / "audio" / "fold1" / "1-3-0-0.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.column_stack([tone, tone]), rate_hz, subtype=subtype)
    (clip,) = list_clips(settings_of(DatasetFormat.URBANSOUND8K, tmp_path)).clips
    samples, _ = trimmed(read_audio(Path(clip.path)), TrimPlan(TrimSettings(keep_s=0.5, band_limit_hz=5_000), 48_000))
    assert len(samples) == 24_000
    assert 20 * np.log10(np.std(samples) * np.sqrt(2) / 0.3) == pytest.approx(0, abs=0.3)


def test_real_audio_is_listed_whole(shared_data: Path) -> None:
    clips = list_clips(settings_of(DatasetFormat.URBANSOUND8K, shared_data / "urbansound8k")).clips
    labelled = [clip for clip in clips if clip.labels]
    assert (len(clips), len(labelled)) == (1258, 1138)
    assert len(CLASSES) == 10
    assert Counter(clip.labels[0] for clip in labelled) == {
        "engine": 140,
        "machinery-impact": 274,
        "non-machinery-impact": 96,
        "alert-signal": 208,
        "music": 140,
        "human-voice": 140,
        "dog": 140,
    }
    assert len({clip.group for clip in clips}) == 332
    assert {clip.fold for clip in clips} == {1, 2, 3}
