"""A folder per class: fold and source recording from file names, or a note that there are none."""

import os
from collections import Counter
from pathlib import Path

import pytest

from sonyc_trainer.datasets.class_folders import list_clips
from sonyc_trainer.datasets.listing import NO_FOLD
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetFormat
from support.small_datasets import settings_of, write_class_folders

PATTERN = r"^(?P<fold>\d)-(?P<source>\d+)-"


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as error:
        list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, folder, **options))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_pattern_gives_fold_and_recording(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["dog_bark/2-77-A.ogg", "dog_bark/2-77-B.ogg", "rain/1-5-A.wav"])
    settings = settings_of(
        DatasetFormat.CLASS_FOLDERS, tmp_path, file_pattern=PATTERN, classes={"dog_bark": "dog"}, sources="freesound"
    )
    listing = list_clips(settings)
    assert [(clip.clip_id, clip.labels, clip.group, clip.fold) for clip in listing.clips] == [
        ("d/dog_bark/2-77-A", ["dog"], "freesound/77", 2),
        ("d/dog_bark/2-77-B", ["dog"], "freesound/77", 2),
        ("d/rain/1-5-A", [], "freesound/5", 1),
    ]
    assert not listing.notes


def test_without_pattern_each_file_is_its_own_group_and_a_note_says_so(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["dog/a.wav", "dog/morning/b.WAV", "music/a.wav"])
    (tmp_path / "dog" / "readme.txt").write_text("not audio")
    (tmp_path / "dog" / ".hidden.wav").write_text("not audio")
    listing = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path))
    assert [(clip.clip_id, clip.group, clip.fold) for clip in listing.clips] == [
        ("d/dog/a", "d/dog/a", NO_FOLD),
        ("d/dog/morning/b", "d/dog/morning/b", NO_FOLD),
        ("d/music/a", "d/music/a", NO_FOLD),
    ]
    assert "from which source recording 3 of its files come" in listing.notes[0]
    assert listing.notes[1].endswith("not audio: 1.")


def test_fold_alone_leaves_each_file_its_own_group(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["dog/3-a.wav", "dog/3-b.wav"])
    listing = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path, file_pattern=r"^(?P<fold>\d)-"))
    assert {clip.fold for clip in listing.clips} == {3}
    assert len({clip.group for clip in listing.clips}) == 2
    assert len(listing.notes) == 1


def test_files_in_whose_name_no_recording_is_found_are_counted(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["dog/7-a.wav", "dog/7-b.wav", "dog/c.wav"])
    listing = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path, file_pattern=r"^((?P<source>\d)-)?"))
    assert [clip.group for clip in listing.clips] == ["d/7", "d/7", "d/dog/c"]
    assert "1 of its files" in listing.notes[0]


def test_link_to_nowhere_is_passed_over_and_counted(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["dog/a.wav"])
    (tmp_path / "dog" / "b.wav").symlink_to(tmp_path / "nowhere.wav")
    listing = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path))
    assert len(listing.clips) == 1
    assert listing.notes[1].endswith("not audio: 1.")


@pytest.mark.parametrize("name", [b"\xff\xfe.wav", b"a\nb.wav"])
def test_name_that_is_not_text_is_refused(tmp_path: Path, name: bytes) -> None:
    write_class_folders(tmp_path, ["dog/a.wav"])
    (tmp_path / "dog" / "a.wav").rename(tmp_path / "dog" / os.fsdecode(name))
    assert "not text; rename it" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["x.wav"], {}, "has no folders"),
        (["hund/a.wav"], {}, "folder 'hund' is no class of SONYC's"),
        (["dog/a.wav"], {"classes": {"cat": "dog"}}, "'classes' maps 'cat', which is no class of it; it has dog"),
        (["dog/a.wav"], {"background": ["rain"]}, "'background' names 'rain', which is no class of it; it has dog"),
        (["dog/a.wav"], {"background": ["dog"]}, "'background' names 'dog', which is one of the eight classes"),
        (["dog/a.wav"], {"file_pattern": PATTERN}, "a.wav: its name does not fit"),
        (["dog/x-a.wav"], {"file_pattern": "^(?P<fold>.)-"}, "gives fold 'x', which is no number"),
        (["dog/a.wav", "dog/a.flac"], {}, "differ only in their ending"),
    ],
)
def test_refusals(tmp_path: Path, files: list[str], options: dict[str, object], message: str) -> None:
    assert message in refusal(write_class_folders(tmp_path, files), **options)


@pytest.mark.parametrize("classes", [{}, {"hund": "dog"}])
def test_folder_can_be_background(tmp_path: Path, classes: dict[str, str]) -> None:
    write_class_folders(tmp_path, [f"{next(iter(classes), 'dog')}/a.wav", "rain/a.wav", "rain/night/b.wav"])
    clips = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path, classes=classes, background=["rain"])).clips
    assert [(clip.labels, clip.is_background) for clip in clips] == [(["dog"], False), ([], True), ([], True)]


def test_real_audio_is_listed_whole(shared_data: Path) -> None:
    mapping = {
        "dog_bark": "dog",
        "crying_baby": "human-voice",
        "sneeze": "human-voice",
        "helicopter": "engine",
        "chainsaw": "powered-saw",
    }
    folder = shared_data / "esc10"
    clips = list_clips(settings_of(DatasetFormat.CLASS_FOLDERS, folder, file_pattern=PATTERN, classes=mapping)).clips
    assert Counter(clip.labels[0] for clip in clips) == {
        "dog": 32,
        "human-voice": 64,
        "engine": 32,
        "powered-saw": 32,
    }
    assert Counter(clip.fold for clip in clips) == {1: 40, 2: 40, 3: 40, 4: 40}
    assert len({clip.group for clip in clips}) == 107
