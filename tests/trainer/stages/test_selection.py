"""Stage `select` through its files: what is used, what is dropped by which rule, and what the report must say."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from sonyc_contract.labels import LABELS
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import Clip, Dropped
from sonyc_trainer.errors import SelectionError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import DROPPED, write_csv
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage, selection
from sonyc_trainer.study import Study, load_study
from sonyc_trainer.tables import CLIPS, SELECTION, read_table, write_table
from support.stage_runs import QUIET


def folder_of(
    tmp_path: Path,
    clips: Sequence[Clip],
    *,
    dropped: Sequence[Dropped] = (),
    labels: str = "single",
    dataset_format: str = "sonyc-ust",
    **split: object,
) -> StudyFolder:
    """A study's folder in which these clips were listed."""
    dataset = {"name": "d", "format": dataset_format, "path": tmp_path}
    study = Study.model_validate({"name": "s", "labels": labels, "dataset": [dataset], "split": split})
    folder = StudyFolder(tmp_path / "out", study)
    folder.of(Stage.DATASET).mkdir(parents=True)
    folder.of(Stage.SELECT).mkdir()
    write_table(folder.clips, pd.DataFrame(clips, columns=list(CLIPS)), CLIPS)
    write_csv(folder.dropped(Stage.DATASET), dropped, DROPPED)
    return folder


def clip(number: int, labels: Sequence[str], *, group: str | None = None, fold: int = -1, dataset: str = "d") -> Clip:
    audio = f"/audio/{dataset}/{number}.wav"
    return Clip(f"{dataset}/{number:03d}", dataset, audio, list(labels), group or f"{dataset}/{number}", fold)


def singles(label: str, n: int, *, first: int = 0) -> list[Clip]:
    return [clip(first + number, [label]) for number in range(n)]


def notes_of(folder: StudyFolder) -> list[str]:
    return folder.notes(Stage.SELECT).read_text().splitlines()


def test_clips_of_one_class_are_used_and_the_others_named(tmp_path: Path) -> None:
    clips = [*singles("dog", 10), clip(20, []), clip(21, ["dog", "music"]), clip(22, ["engine", "dog", "music"])]
    folder = folder_of(tmp_path, clips, dropped=[Dropped("d/900", "no agreed annotation")])
    selection.run(folder, StageContext())
    table = read_table(folder.selection, SELECTION)
    assert sorted(table["clip_id"]) == [f"d/{number:03d}" for number in range(10)]
    assert table["labels"].tolist() == [["dog"]] * 10
    dropped = pd.read_csv(folder.dropped(Stage.SELECT), keep_default_na=False)
    assert dropped.to_numpy().tolist() == [
        ["d/020", "none of the eight classes", ""],
        ["d/021", "more than one class", "dog + music"],
        ["d/022", "more than one class", "engine + dog + music"],
    ]
    ledger = pd.read_csv(folder.ledger, keep_default_na=False)
    assert ledger[["rule", "n_clips"]].to_numpy().tolist() == [
        ["listed", 14],
        ["no agreed annotation", 1],
        ["none of the eight classes", 1],
        ["more than one class", 2],
        ["used", 10],
    ]


def test_breakdown_counts_every_class_and_split(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*singles("dog", 10), *singles("music", 20, first=100)])
    selection.run(folder, StageContext())
    breakdown = pd.read_csv(folder.breakdown).set_index("label")
    assert list(breakdown.index) == list(LABELS)
    assert breakdown.loc["dog"].to_dict() == {"train": 6, "validation": 2, "test": 2}
    assert breakdown.loc["music"].to_dict() == {"train": 12, "validation": 4, "test": 4}
    assert breakdown.loc["engine"].sum() == 0
    assert "Class engine has no clip at all: the models cannot learn it." in notes_of(folder)


def test_class_that_a_split_lacks_is_noted(tmp_path: Path) -> None:
    one_recording = [clip(200 + number, ["engine"], group="d/only") for number in range(3)]
    folder = folder_of(tmp_path, [*singles("dog", 20), *one_recording])
    selection.run(folder, StageContext())
    assert "Class engine has no clip for validation and test: too few recordings of it." in notes_of(folder)


def test_random_split_is_noted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, singles("dog", 20), mode="random")
    selection.run(folder, StageContext())
    assert any("random by clip" in note for note in notes_of(folder))


def test_recording_that_is_in_a_test_fold_too_is_dropped(tmp_path: Path) -> None:
    clips = [clip(number, ["dog"], fold=number % 3) for number in range(30)]
    clips.append(clip(40, ["dog"], group="d/1", fold=2))
    folder = folder_of(tmp_path, clips, mode="folds", test_folds=[1])
    selection.run(folder, StageContext())
    dropped = pd.read_csv(folder.dropped(Stage.SELECT))
    assert dropped.to_numpy().tolist() == [["d/040", "recording is also in a test fold", "d/1"]]
    table = read_table(folder.selection, SELECTION)
    assert set(table.loc[table["split"] == "test", "fold"]) == {1}


def test_multi_label_keeps_mixtures_and_clips_that_have_none(tmp_path: Path) -> None:
    clips = [*singles("dog", 10), clip(20, []), clip(21, ["dog", "music"]), clip(22, ["music"]), clip(23, ["music"])]
    folder = folder_of(tmp_path, [*clips, clip(24, ["music"])], labels="multi")
    selection.run(folder, StageContext())
    table = read_table(folder.selection, SELECTION).set_index("clip_id")
    assert len(table) == 15
    assert table.loc["d/021", "labels"] == ["dog", "music"]
    assert table.loc["d/020", "labels"] == []
    assert pd.read_csv(folder.dropped(Stage.SELECT)).empty
    breakdown = pd.read_csv(folder.breakdown).set_index("label")
    assert breakdown.sum(axis=1)[["dog", "music"]].tolist() == [11, 4]


def test_multi_label_drops_clips_that_are_named_by_another_sound(tmp_path: Path) -> None:
    """A folder of rain says nothing of whether a dog barks in it too."""
    folder = folder_of(tmp_path, [*singles("dog", 10), clip(20, [])], labels="multi", dataset_format="class-folders")
    selection.run(folder, StageContext())
    assert pd.read_csv(folder.dropped(Stage.SELECT))["clip_id"].tolist() == ["d/020"]


@pytest.mark.parametrize("labels", ["single", "multi"])
def test_background_is_used_and_counted(tmp_path: Path, labels: str) -> None:
    empty = [clip(20 + number, [])._replace(is_background=True) for number in range(5)]
    clips = [*singles("dog", 10), *empty, clip(40, [])]
    folder = folder_of(tmp_path, clips, labels=labels, dataset_format="class-folders")
    selection.run(folder, StageContext())
    assert pd.read_csv(folder.dropped(Stage.SELECT))["clip_id"].tolist() == ["d/040"]
    breakdown = pd.read_csv(folder.breakdown).set_index("label")
    assert breakdown.loc["background"].to_dict() == {"train": 3, "validation": 1, "test": 1}
    (note,) = [note for note in notes_of(folder) if note.startswith("Of 15 clips")]
    assert ("5 are background" in note) == (labels == "single")


@pytest.mark.parametrize("mode", ["folds", "grouped"])
def test_clips_that_only_train_are_kept_in_train_alone(tmp_path: Path, mode: str) -> None:
    judged = [clip(number, ["dog"], fold=number % 3) for number in range(30)]
    more = [
        clip(number, ["dog"], group=f"d/{number}", fold=number % 3, dataset="more")._replace(only_trains=True)
        for number in range(30)
    ]
    split = {"mode": mode, "test_folds": [1]} if mode == "folds" else {"mode": mode}
    folder = folder_of(tmp_path, [*judged, *more], **split)
    selection.run(folder, StageContext())
    table = read_table(folder.selection, SELECTION).set_index("clip_id")
    kept, alone = table[table["only_trains"]], table[~table["only_trains"]]
    assert set(alone["split"]) == {"train", "validation", "test"}
    assert set(kept["split"]) == {"train"}
    assert set(kept["group"]) == set(alone.loc[alone["split"] == "train", "group"])
    dropped = pd.read_csv(folder.dropped(Stage.SELECT))
    assert len(dropped) == len(more) - len(kept) > 0
    assert set(dropped["rule"]) == {"only trains, and its recording or fold is in validation or test"}
    note = f"The {len(kept)} clips of dataset more are learned from only: no figure is of them."
    assert note in notes_of(folder)


def test_clips_that_only_train_are_not_enough(tmp_path: Path) -> None:
    more = [one._replace(only_trains=True) for one in singles("dog", 10)]
    folder = folder_of(tmp_path, [*more, clip(20, [])])
    with pytest.raises(SelectionError, match="no clip has exactly one of the eight classes"):
        selection.run(folder, StageContext())


def test_background_alone_does_not_fill_a_split(tmp_path: Path) -> None:
    empty = [clip(20 + number, [], fold=1)._replace(is_background=True) for number in range(5)]
    dogs = [clip(number, ["dog"], fold=2) for number in range(5)]
    folder = folder_of(tmp_path, [*dogs, *empty], mode="folds", test_folds=[1])
    with pytest.raises(SelectionError, match="leaves no clip for test"):
        selection.run(folder, StageContext())


def test_no_clip_of_one_class_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [clip(1, []), clip(2, ["dog", "music"])])
    with pytest.raises(SelectionError, match="no clip has exactly one of the eight classes"):
        selection.run(folder, StageContext())
    assert not folder.selection.exists()


def test_real_recordings_stay_on_one_side(tmp_path: Path, repository: Path, shared_data: Path) -> None:
    """UrbanSound8K and ESC-10 share Freesound recordings: two of those in test fold 1 are in ESC-10's folds 2 and 3."""
    folders = {"urbansound8k": shared_data / "urbansound8k", "esc10": shared_data / "esc10"}
    study = load_study(repository / "trainer" / "studies" / "urbansound8k-esc10.toml", folders=folders)
    folder = StudyFolder(tmp_path / "out", study)
    run_study(folder, QUIET, until=Stage.SELECT)
    ledger = pd.read_csv(folder.ledger, keep_default_na=False)
    assert dict(zip(ledger["rule"], ledger["n_clips"], strict=True)) == {
        "listed": 1418,
        "none of the eight classes": 120,
        "recording is also in a test fold": 2,
        "used": 1296,
    }
    dropped = pd.read_csv(folder.dropped(Stage.SELECT))
    leaking = dropped[dropped["rule"] == "recording is also in a test fold"]
    assert sorted(leaking["clip_id"]) == ["esc10/dog_bark/2-114587-A", "esc10/dog_bark/3-180256-A"]
    table = read_table(folder.selection, SELECTION)
    assert set(table.loc[table["split"] == "test", "fold"]) == {1}
    assert (table.groupby("group")["split"].nunique() == 1).all()
    counts = table.explode("labels").groupby(["labels", "split"]).size().unstack()
    assert (counts > 0).all(axis=None)
    share = counts["validation"] / (counts["train"] + counts["validation"])
    assert share.between(0.17, 0.23).all()


def test_default_bundle_is_of_listed_clips(tmp_path: Path, repository: Path, shared_data: Path) -> None:
    """Without the made noise, which takes 10 s: all further clips are of recordings that the others are of too."""
    folders = {"urbansound8k": shared_data / "urbansound8k", "esc10": shared_data / "esc10"}
    study = load_study(repository / "trainer" / "studies" / "default-bundle.toml", folders=folders)
    recorded = tuple(dataset for dataset in study.dataset if not dataset.is_made)
    folder = StudyFolder(tmp_path / "out", study.model_copy(update={"dataset": recorded}))
    run_study(folder, QUIET, until=Stage.SELECT)
    table = read_table(folder.selection, SELECTION)
    assert table[~table["only_trains"]].groupby("dataset").size().to_dict() == {"esc10": 160, "urbansound8k": 1258}
    assert (table.groupby("group")["split"].nunique() == 1).all()
    n_more, n_dropped = int(table["only_trains"].sum()), len(pd.read_csv(folder.dropped(Stage.SELECT)))
    assert n_more + n_dropped == 890
    assert 0.7 < n_more / 890 < 0.95
    assert pd.read_csv(folder.breakdown).set_index("label").loc[["powered-saw", "background"], "validation"].all()
