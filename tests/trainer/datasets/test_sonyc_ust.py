"""SONYC-UST: agreed rows only, both versions, and every refusal in one line."""

from pathlib import Path

import pytest

from sonyc_trainer.datasets.listing import Dropped, Listing
from sonyc_trainer.datasets.sonyc_ust import NO_AGREED_ROW, list_clips
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetFormat
from support.small_datasets import Annotation, settings_of, sonyc_columns, write_noise, write_sonyc_ust

ONE_OF_EACH = [
    Annotation("01_000001.wav", ["dog"], annotator="17"),
    Annotation("01_000001.wav", ["dog", "music"], annotator="-3"),
    Annotation("01_000001.wav", ["music"]),
    Annotation("02_000002.wav", ["engine", "human-voice"], sensor="2"),
    Annotation("02_000003.wav", [], sensor="2"),
    Annotation("03_000004.wav", ["dog"], annotator="5", sensor="3"),
    Annotation("03_000004.wav", ["dog"], annotator="6", sensor="3"),
]


def listing_of(folder: Path) -> Listing:
    return list_clips(settings_of(DatasetFormat.SONYC_UST, folder))


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as error:
        listing_of(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("version", "n_columns"), [("v1", 70), ("v2.3", 78)])
def test_both_versions_give_the_agreed_classes(tmp_path: Path, version: str, n_columns: int) -> None:
    assert len(sonyc_columns(version)) == n_columns
    listing = listing_of(write_sonyc_ust(tmp_path, ONE_OF_EACH, version=version))
    assert {clip.clip_id: clip.labels for clip in listing.clips} == {
        "d/01_000001": ["music"],
        "d/02_000002": ["engine", "human-voice"],
        "d/02_000003": [],
    }
    assert [clip.group for clip in listing.clips] == ["d/1", "d/2", "d/2"]
    assert all(Path(clip.path).is_file() and Path(clip.path).is_absolute() for clip in listing.clips)


def test_clips_without_an_agreed_row_go_to_the_ledger(tmp_path: Path) -> None:
    listing = listing_of(write_sonyc_ust(tmp_path, ONE_OF_EACH))
    assert list(listing.dropped) == [Dropped("d/03_000004", NO_AGREED_ROW)]


@pytest.mark.parametrize("text", ["-1", "-1.0", ""])
def test_what_a_row_does_not_label_is_not_present(tmp_path: Path, text: str) -> None:
    rows = [Annotation("a.wav", ["dog"], cells={"6_music_presence": text})]
    assert listing_of(write_sonyc_ust(tmp_path, rows)).clips[0].labels == ["dog"]


def test_audio_is_found_below_the_folder(tmp_path: Path) -> None:
    write_sonyc_ust(tmp_path, [Annotation("a.wav", ["dog"])])
    (tmp_path / "audio" / "a.wav").unlink()
    write_noise(tmp_path / "audio" / "audio-0" / "a.wav")
    assert listing_of(tmp_path).clips[0].path == str(tmp_path / "audio" / "audio-0" / "a.wav")


def test_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}: has no annotations.csv" in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["annotator_id", "sensor_id", "audio_filename", "8_dog_presence"])
def test_missing_column_is_refused(tmp_path: Path, missing: str) -> None:
    columns = [name for name in sonyc_columns("v2.3") if name != missing]
    message = refusal(write_sonyc_ust(tmp_path, ONE_OF_EACH, columns=columns))
    assert f"column {missing!r} is missing" in message
    assert str(tmp_path / "annotations.csv") in message


def test_several_missing_columns_are_counted(tmp_path: Path) -> None:
    columns = ["split", "sensor_id", "audio_filename", "annotator_id"]
    message = refusal(write_sonyc_ust(tmp_path, ONE_OF_EACH, columns=columns))
    assert "8 columns ('1_engine_presence', '2_machinery-impact_presence', " in message


def test_two_agreed_rows_are_refused(tmp_path: Path) -> None:
    rows = [Annotation("a.wav", ["dog"]), Annotation("b.wav", ["dog"]), Annotation("a.wav", ["music"])]
    message = refusal(write_sonyc_ust(tmp_path, rows))
    assert "a.wav has 2 agreed rows (annotator_id 0), lines 2, 4" in message


def test_unknown_class_is_refused(tmp_path: Path) -> None:
    columns = [*sonyc_columns("v2.3"), "9_cat_presence"]
    message = refusal(write_sonyc_ust(tmp_path, ONE_OF_EACH, columns=columns))
    assert "unknown class in column '9_cat_presence'" in message


@pytest.mark.parametrize(
    ("column", "text", "allowed"),
    [("6_music_presence", "2", "1, 0 and -1"), ("6_music_presence", "yes", "1, 0 and -1")]
    + [("annotator_id", text, "a whole number") for text in ("", "0.5", "nobody")],
)
def test_value_that_is_not_allowed_is_refused(tmp_path: Path, column: str, text: str, allowed: str) -> None:
    rows = [Annotation("a.wav", ["dog"]), Annotation("b.wav", ["dog"], cells={column: text})]
    message = refusal(write_sonyc_ust(tmp_path, rows))
    assert f"annotations.csv, line 3: {column} is {text!r}" in message
    assert allowed in message


def test_files_that_are_not_there_are_counted(tmp_path: Path) -> None:
    rows = [Annotation(f"{n}.wav", ["dog"]) for n in range(5)]
    write_sonyc_ust(tmp_path, rows)
    for n in range(4):
        (tmp_path / "audio" / f"{n}.wav").unlink()
    message = refusal(tmp_path)
    assert "4 audio files (" in message
    assert str(tmp_path / "audio" / "0.wav") in message
    assert message.count(".wav") == 3


@pytest.mark.parametrize(("content", "reason"), [(b"", "No columns"), (b"\x00\xff\xfe,\x80", "cannot be read")])
def test_what_is_not_csv_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "annotations.csv").write_bytes(content)
    assert reason in refusal(tmp_path)


def test_header_alone_is_refused(tmp_path: Path) -> None:
    assert "has no rows" in refusal(write_sonyc_ust(tmp_path, []))
