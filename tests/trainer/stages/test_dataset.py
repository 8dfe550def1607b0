"""Stage `dataset`: several formats in one table, and a digest that notices what changed."""

from pathlib import Path

import pytest

from sonyc_trainer.errors import DatasetError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_dropped, read_notes
from sonyc_trainer.pipeline import run_stage
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat, Study
from sonyc_trainer.tables import CLIPS, read_table
from support.small_datasets import (
    Annotation,
    settings_of,
    write_class_folders,
    write_noise,
    write_sonyc_ust,
    write_urbansound8k,
)
from support.stage_runs import QUIET


def study_of(tmp_path: Path, *datasets: dict[str, object]) -> StudyFolder:
    return StudyFolder(tmp_path / "out", Study.model_validate({"name": "s", "dataset": datasets}))


def test_formats_meet_in_one_table(tmp_path: Path) -> None:
    write_sonyc_ust(tmp_path / "a", [Annotation("1.wav", ["dog"]), Annotation("2.wav", ["dog"], annotator="7")])
    write_urbansound8k(tmp_path / "b", [("77-3-0-0.wav", 77, 1, "dog_bark")])
    write_class_folders(tmp_path / "c", ["dog/1-77-A.wav", "music/1-78-A.wav"])
    pattern = r"^(?P<fold>\d)-(?P<source>\d+)-"
    folder = study_of(
        tmp_path,
        settings_of(DatasetFormat.SONYC_UST, tmp_path / "a").model_dump() | {"name": "a"},
        settings_of(DatasetFormat.URBANSOUND8K, tmp_path / "b").model_dump() | {"name": "b"},
        settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path / "c", file_pattern=pattern, sources="freesound").model_dump()
        | {"name": "c"},
    )
    run_stage(folder, QUIET, Stage.DATASET)
    table = read_table(folder.clips, CLIPS).set_index("clip_id")
    assert table["group"].to_dict() == {
        "a/1": "a/1",
        "b/fold1/77-3-0-0": "freesound/77",
        "c/dog/1-77-A": "freesound/77",
        "c/music/1-78-A": "freesound/78",
    }
    assert table["fold"].tolist() == [-1, 1, 1, 1]
    assert [list(labels) for labels in table["labels"]] == [["dog"], ["dog"], ["dog"], ["music"]]
    assert read_dropped(folder)[["stage", "clip_id", "rule"]].to_numpy().tolist() == [
        ["dataset", "a/2", "no agreed annotation"]
    ]


def test_clips_of_a_dataset_that_only_trains_say_so(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "a", ["dog/1.wav"])
    write_class_folders(tmp_path / "b", ["dog/1.wav"])
    one = settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path / "a").model_dump()
    folder = study_of(tmp_path, one, one | {"name": "more", "path": tmp_path / "b", "only_trains": True})
    run_stage(folder, QUIET, Stage.DATASET)
    table = read_table(folder.clips, CLIPS).set_index("clip_id")
    assert table["only_trains"].to_dict() == {"d/dog/1": False, "more/dog/1": True}


def test_generated_scenes_are_made_once_and_noted(tmp_path: Path) -> None:
    scenes = {"n_clips": 4, "n_sensors": 2, "seed": 3, "verified_fraction": 1.0}
    folder = study_of(tmp_path, {"name": "streets", "format": "scenes", "scenes": scenes})
    run_stage(folder, QUIET, Stage.DATASET)
    table = read_table(folder.clips, CLIPS)
    assert len(table) == 4
    audio = Path(table["path"][0])
    assert audio.is_relative_to(folder.of(Stage.DATASET) / "streets")
    assert any("synthetic" in note for note in read_notes(folder))
    written = audio.stat().st_mtime_ns
    assert run_stage(folder, QUIET, Stage.DATASET).is_kept
    assert audio.stat().st_mtime_ns == written


def test_changed_audio_makes_later_stages_stale(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "c", [f"{label}/{n}.wav" for label in ("dog", "music") for n in range(6)])
    folder = study_of(tmp_path, settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path / "c").model_dump())
    run_stage(folder, QUIET, Stage.DATASET)
    run_stage(folder, QUIET, Stage.SELECT)
    assert run_stage(folder, QUIET, Stage.DATASET).is_kept
    assert run_stage(folder, QUIET, Stage.SELECT).is_kept
    write_noise(tmp_path / "c" / "dog" / "0.wav", duration_s=0.5)
    assert not run_stage(folder, QUIET, Stage.DATASET).is_kept
    assert not folder.is_done(Stage.SELECT)


def test_file_in_two_datasets_is_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "c", ["dog/a.wav", "music/a.wav"])
    (tmp_path / "link").symlink_to(tmp_path / "c")
    here = settings_of(DatasetFormat.CLASS_FOLDERS, tmp_path / "c").model_dump()
    folder = study_of(tmp_path, here, here | {"name": "e", "path": tmp_path / "link"})
    with pytest.raises(DatasetError, match=r"c/dog/a\.wav is listed twice, as 'd/dog/a' and as 'e/dog/a'"):
        run_stage(folder, QUIET, Stage.DATASET)


def test_dataset_without_clips_is_refused(tmp_path: Path) -> None:
    write_sonyc_ust(tmp_path / "a", [Annotation("1.wav", ["dog"], annotator="4")])
    folder = study_of(tmp_path, settings_of(DatasetFormat.SONYC_UST, tmp_path / "a").model_dump())
    with pytest.raises(DatasetError, match="holds no clip that can be used"):
        run_stage(folder, QUIET, Stage.DATASET)
    assert not folder.is_done(Stage.DATASET)
