"""Format `background`: the generator's clips in a study, made once, all of them background."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from sonyc_contract.audio import read_audio
from sonyc_trainer.datasets.made_background import list_clips
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetSettings, Study, load_study
from sonyc_trainer.tables import CLIPS, SELECTION, read_table
from support.small_datasets import burst_study
from support.stage_runs import QUIET


def settings(**made: object) -> DatasetSettings:
    table = {"hours": 0.008, "seed": 2, **made}
    return DatasetSettings.model_validate({"name": "noise", "format": "background", "made": table})


def test_clips_are_made_once_and_are_background(tmp_path: Path) -> None:
    listing = list_clips(settings(), tmp_path / "noise", QUIET)
    assert [(clip.clip_id, clip.labels, clip.is_background, clip.fold) for clip in listing.clips] == [
        (f"noise/{index:06d}", [], True, -1) for index in range(3)
    ]
    assert len({clip.group for clip in listing.clips}) == 3
    assert "made noise" in listing.notes[0]
    audio = read_audio(Path(listing.clips[0].path))
    assert (audio.duration_s, audio.rate_hz) == (10.0, 44_100)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "noise").glob("0*")}
    list_clips(settings(hours=0.012), tmp_path / "noise", QUIET)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "noise").glob("0*")}
    assert len(after) == 4
    assert {path: after[path] for path in before} == before


def test_clips_of_other_settings_are_replaced(tmp_path: Path) -> None:
    first = {clip.path: Path(clip.path).read_bytes() for clip in list_clips(settings(), tmp_path / "n", QUIET).clips}
    listing = list_clips(settings(seed=3, hours=0.005), tmp_path / "n", QUIET)
    assert len(listing.clips) == len(list((tmp_path / "n").glob("0*"))) == 2
    assert all(Path(clip.path).read_bytes() != first[clip.path] for clip in listing.clips)


def test_study_takes_them_beside_its_own(tmp_path: Path) -> None:
    study = burst_study(tmp_path / "audio")
    document = study.model_dump(mode="json")
    document["dataset"].append({"name": "noise", "format": "background", "made": {"hours": 0.014}})
    folder = StudyFolder(tmp_path / "out", Study.model_validate(document))
    run_study(folder, QUIET, until=Stage.SELECT)
    listed, selected = read_table(folder.clips, CLIPS), read_table(folder.selection, SELECTION)
    assert listed.groupby("dataset")["is_background"].agg(["sum", "size"]).to_numpy().tolist() == [[0, 24], [5, 5]]
    assert set(selected.loc[selected["dataset"] == "noise", "split"]) == {"train", "validation", "test"}


def test_no_folder_is_to_be_given(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\n[[dataset]]\nname = "noise"\nformat = "background"\n[dataset.made]\nhours = 1\n')
    assert load_study(path).dataset[0].made is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"made": None}, "the table 'made' belongs to format 'background'"),
        ({"format": "scenes"}, "belongs to format"),
        ({"background": ["rain"]}, "'background' belongs to formats 'urbansound8k' and 'class-folders'"),
        ({"path": "/nowhere"}, "it has no 'path'"),
        ({"made": {"hours": -1}}, "hours"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, object], message: str) -> None:
    table = {"name": "noise", "format": "background", "made": {}, **options}
    with pytest.raises(ValidationError) as error:
        DatasetSettings.model_validate(table)
    assert message in str(error.value)
