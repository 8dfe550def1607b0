"""Lists of clips: the same clips on every machine, whatever their files' endings, or word of what is missing."""

from pathlib import Path

import pytest

from sonyc_trainer.datasets import class_folders, urbansound8k
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_stage
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat, DatasetSettings, Study
from support.small_datasets import settings_of, write_class_folders, write_noise, write_urbansound8k
from support.stage_runs import QUIET

ROWS = [("100-3-0-0.wav", 100, 1, "dog_bark"), ("100-3-0-1.wav", 100, 1, "dog_bark"), ("7-8-0-0.wav", 7, 2, "siren")]
FURTHER = [("100-3-0-2.mp3", 100, 1, "dog_bark"), ("8-8-0-0.mp3", 8, 2, "siren")]


def listed(folder: Path, *names: str, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_text("# what it is\n\n" + "".join(f"{name}\n" for name in names))
    return path


def urbansound(folder: Path, clips: Path | None) -> DatasetSettings:
    return settings_of(DatasetFormat.URBANSOUND8K, folder, clips=clips)


def names_of(settings: DatasetSettings) -> list[str]:
    module = urbansound8k if settings.format is DatasetFormat.URBANSOUND8K else class_folders
    return [clip.clip_id for clip in module.list_clips(settings).clips]


def refusal(settings: DatasetSettings) -> str:
    with pytest.raises(DatasetError) as error:
        names_of(settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_only_listed_clips_are_taken(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    settings = urbansound(tmp_path, listed(tmp_path, "fold2/7-8-0-0", "fold1/100-3-0-1"))
    assert names_of(settings) == ["d/fold1/100-3-0-1", "d/fold2/7-8-0-0"]
    note = "Dataset d: of 3 clips the 2 are taken that list.txt names."
    assert urbansound8k.list_clips(settings).notes == [note]
    every = listed(tmp_path, "fold1/100-3-0-0", "fold1/100-3-0-1", "fold2/7-8-0-0")
    assert urbansound8k.list_clips(urbansound(tmp_path, every)).notes == []


def test_folders_of_classes_have_lists_too(tmp_path: Path) -> None:
    audio = write_class_folders(tmp_path / "c", ["dog/1.ogg", "dog/2.wav", "music/deep/3.flac", "music/4.wav"])
    clips = listed(tmp_path, "dog/2", "music/deep/3")
    settings = settings_of(DatasetFormat.CLASS_FOLDERS, audio, clips=clips)
    assert names_of(settings) == ["d/dog/2", "d/music/deep/3"]
    assert "of 4 clips the 2 are taken" in class_folders.list_clips(settings).notes[-1]


def test_file_may_have_another_ending_than_the_metadata_says(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS, with_audio=False)
    write_noise(tmp_path / "audio" / "fold1" / "100-3-0-0.flac")
    settings = urbansound(tmp_path, listed(tmp_path, "fold1/100-3-0-0"))
    (clip,) = urbansound8k.list_clips(settings).clips
    assert clip.path == str(tmp_path / "audio" / "fold1" / "100-3-0-0.flac")


def test_clip_of_the_metadata_without_a_file_is_refused(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS, with_audio=False)
    said = refusal(urbansound(tmp_path, listed(tmp_path, "fold1/100-3-0-0")))
    assert "fold1/100-3-0-0.wav' is not there" in said


def test_further_clips_are_read_only_where_a_list_names_them(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    write_urbansound8k(tmp_path, FURTHER, further=True)
    assert len(names_of(urbansound(tmp_path, None))) == len(ROWS)
    settings = urbansound(tmp_path, listed(tmp_path, "fold1/100-3-0-0", "fold1/100-3-0-2"))
    first, second = urbansound8k.list_clips(settings).clips
    assert (first.group, first.fold, first.labels) == (second.group, second.fold, second.labels)
    assert second.path == str(tmp_path / "extra" / "fold1" / "100-3-0-2.mp3")


def test_further_clips_may_be_among_the_usual_ones(tmp_path: Path) -> None:
    """As in the dataset as it is published."""
    usual = [(name.replace("mp3", "wav"), source, fold, class_name) for name, source, fold, class_name in FURTHER]
    write_urbansound8k(tmp_path, [*ROWS, *usual])
    assert names_of(urbansound(tmp_path, listed(tmp_path, "fold2/8-8-0-0"))) == ["d/fold2/8-8-0-0"]


def test_clip_that_is_in_both_tables_is_refused(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    write_urbansound8k(tmp_path, [*FURTHER, ("7-8-0-0.mp3", 7, 2, "siren")], further=True)
    assert "fold2/7-8-0-0 is in the metadata twice" in refusal(urbansound(tmp_path, listed(tmp_path, "fold2/7-8-0-0")))
    assert len(names_of(urbansound(tmp_path, listed(tmp_path, "fold1/100-3-0-0", name="other.txt")))) == 1


def test_missing_clips_are_counted_and_the_first_named(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    clips = listed(tmp_path, "fold1/100-3-0-0", *(f"fold9/{n}-3-0-0" for n in range(5)))
    said = refusal(urbansound(tmp_path, clips))
    assert said.startswith(
        f"{tmp_path}: 5 of the 6 clips of {clips} are not there (fold9/0-3-0-0, fold9/1-3-0-0, fold9/2"
    )
    assert "is it the right folder, and has it the whole dataset?" in said
    audio = write_class_folders(tmp_path / "c", ["dog/1.ogg"])
    said = refusal(settings_of(DatasetFormat.CLASS_FOLDERS, audio, clips=listed(tmp_path, "dog/1", "dog/2")))
    assert "1 of the 2 clips" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"# nothing\n\n", "names no clip"),
        (b"fold1/a\nfold1/a\n", "line 2: 'fold1/a' is listed a second time"),
        (b"# list\r\nfold1/a.WAV\r\n", "line 2: 'fold1/a.WAV' is a file: leave out its ending, .WAV"),
        (b"\xff\xfe\x00", "is not a list of names: byte 0 is no UTF-8"),
    ],
)
def test_bad_list_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    write_urbansound8k(tmp_path, ROWS)
    (tmp_path / "list.txt").write_bytes(text)
    assert f"{tmp_path / 'list.txt'}" in refusal(urbansound(tmp_path, tmp_path / "list.txt"))
    assert said in refusal(urbansound(tmp_path, tmp_path / "list.txt"))


def test_another_list_makes_the_dataset_stale(tmp_path: Path) -> None:
    write_urbansound8k(tmp_path, ROWS)
    settings = urbansound(tmp_path, listed(tmp_path, "fold1/100-3-0-0"))
    study = Study.model_validate({"name": "s", "dataset": [settings.model_dump()]})
    folder = StudyFolder(tmp_path / "out", study)
    run_stage(folder, QUIET, Stage.DATASET)
    assert folder.is_done(Stage.DATASET)
    listed(tmp_path, "fold1/100-3-0-1")
    assert not folder.is_done(Stage.DATASET)


@pytest.mark.parametrize(("name", "n_judged", "n_more"), [("urbansound8k", 1_258, 890), ("esc10", 160, 0)])
def test_committed_lists_are_of_the_clips_there_are(
    repository: Path, shared_data: Path, name: str, n_judged: int, n_more: int
) -> None:
    lists = repository / "trainer" / "studies" / "clips"
    kind = DatasetFormat.URBANSOUND8K if name == "urbansound8k" else DatasetFormat.CLASS_FOLDERS
    classes = {} if name == "urbansound8k" else {"chainsaw": "powered-saw"}
    settings = settings_of(kind, shared_data / name, classes=classes, clips=lists / f"{name}.txt")
    judged = names_of(settings)
    assert sorted(judged) == sorted(names_of(settings.model_copy(update={"clips": None})))
    assert len(judged) == n_judged
    if n_more:
        more = names_of(settings.model_copy(update={"clips": lists / f"{name}-more.txt"}))
        assert len(more) == n_more
        assert not set(more) & set(judged)
