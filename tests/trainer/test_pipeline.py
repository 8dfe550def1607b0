"""The pipeline: order, resuming, stale settings, and one run at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from sonyc_contract.settings import Settings
from sonyc_trainer.errors import DatasetError, EmbeddingError, StageError
from sonyc_trainer.folder import StudyFolder, open_folder
from sonyc_trainer.pipeline import MODULES, StageOutcome, finished, run_stage, run_study
from sonyc_trainer.stage_inputs import INPUTS
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from support.small_datasets import burst_study
from support.stage_runs import QUIET

UNTIL_TRIM = [Stage.DATASET, Stage.SELECT, Stage.TRIM]

HOLD_LOCK = """
import sys
from pathlib import Path
from sonyc_trainer.folder import open_folder
with open_folder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A small study, not yet run."""
    return StudyFolder(tmp_path / "out", burst_study(tmp_path / "audio"))


def with_settings(folder: StudyFolder, **tables: object) -> StudyFolder:
    study = Study.model_validate(folder.study.model_dump() | tables)
    return StudyFolder(folder.root, study)


def kept(outcomes: list[StageOutcome]) -> dict[str, bool]:
    return {outcome.stage.value: outcome.is_kept for outcome in outcomes}


def test_stages_run_in_order_and_are_kept_afterwards(folder: StudyFolder) -> None:
    told: list[StageOutcome] = []
    first = run_study(folder, QUIET, until=Stage.TRIM, on_stage=told.append)
    assert [outcome.stage for outcome in first] == UNTIL_TRIM
    assert kept(first) == {"dataset": False, "select": False, "trim": False}
    assert told == first
    again = run_study(folder, QUIET, until=Stage.TRIM)
    assert kept(again) == {"dataset": True, "select": True, "trim": True}
    assert [outcome.duration_s for outcome in again] == [outcome.duration_s for outcome in first]
    assert [outcome.stage for outcome in finished(folder)] == UNTIL_TRIM


@pytest.mark.parametrize(
    ("tables", "stale"),
    [
        ({"seed": 5}, {"select", "trim"}),
        ({"trim": {"keep_s": 0.75}}, {"trim"}),
        ({"compress": {"storage_rate_hz": 24000, "levels": ["pcm"]}}, {"trim"}),
        ({"compress": {"storage_rate_hz": 16000, "levels": ["pcm", "v1"]}}, set()),
    ],
)
def test_changed_settings_make_exactly_what_depends_on_them_stale(
    folder: StudyFolder, tables: dict[str, object], stale: set[str]
) -> None:
    run_study(folder, QUIET, until=Stage.TRIM)
    left_over = folder.of(Stage.TRIM) / "left-over"
    left_over.touch()
    outcomes = run_study(with_settings(folder, **tables), QUIET, until=Stage.TRIM)
    assert {name for name, is_kept in kept(outcomes).items() if not is_kept} == stale
    assert left_over.exists() == ("trim" not in stale)


@pytest.mark.parametrize(
    ("tables", "kept_until", "kept_beside"),
    [
        ({"split": {"test_fraction": 0.3}}, Stage.DATASET, ()),
        ({"labels": "multi"}, Stage.DATASET, ()),
        ({"compress": {"storage_rate_hz": 16000, "levels": ["pcm", "v1"]}}, Stage.TRIM, ()),
        ({"embedding": {"hop_s": 0.48}}, Stage.COMPRESS, (Stage.SPECTROGRAMS,)),
        ({"pretrain": {"augment": {"n_masks": 0}}}, Stage.COMPRESS, (Stage.SPECTROGRAMS,)),
        ({"embedding": {"pooling": "max-logit"}}, Stage.EMBED, (Stage.SPECTROGRAMS,)),
        ({"train": {"levels": ["pcm"], "robust": False}}, Stage.EMBED, (Stage.SPECTROGRAMS,)),
        ({"train": {"levels": ["pcm"], "seeds": 2}}, Stage.EMBED, (Stage.SPECTROGRAMS,)),
        ({"calibration": {"target_precision": 0.9}}, Stage.TRAIN, (Stage.EXPORT, Stage.SPECTROGRAMS)),
        ({"export": {"min_top1_agreement": 0.8}}, Stage.EVALUATE, (Stage.SPECTROGRAMS, Stage.COSTS, Stage.COMPARE)),
        ({"export": {"licence": "other"}}, Stage.EXPORT, (Stage.SPECTROGRAMS, Stage.COSTS, Stage.COMPARE)),
        ({"name": "other"}, Stage.EXPORT, (Stage.SPECTROGRAMS, Stage.COSTS, Stage.COMPARE)),
        ({"costs": {"max_clips": 10}}, Stage.BUNDLE, (Stage.SPECTROGRAMS, Stage.COMPARE)),
        ({"compare": [{"name": "other"}]}, Stage.COSTS, ()),
    ],
)
def test_what_does_not_depend_on_a_changed_setting_is_kept(
    folder: StudyFolder, tables: dict[str, object], kept_until: Stage, kept_beside: tuple[Stage, ...]
) -> None:
    changed = with_settings(folder, **tables)
    same = {stage for stage in Stage if changed.key(stage) == folder.key(stage)}
    assert same == {*list(Stage)[: list(Stage).index(kept_until) + 1], *kept_beside}


def test_every_setting_is_one_that_a_stage_depends_on() -> None:
    names = {name for inputs in INPUTS.values() for name in inputs.settings}
    for table, field in Study.model_fields.items():
        kind = field.annotation
        inner = kind.model_fields if isinstance(kind, type) and issubclass(kind, Settings) else ()
        assert table in names or (inner and {f"{table}.{name}" for name in inner} <= names), table


def test_stage_that_failed_is_run_again_and_those_before_it_kept(folder: StudyFolder) -> None:
    annotations = folder.root.parent / "audio" / "cats"
    annotations.mkdir()
    with pytest.raises(DatasetError, match="'cats' is no class"):
        run_study(folder, QUIET, until=Stage.TRIM)
    assert not finished(folder)
    annotations.rmdir()
    run_study(folder, QUIET, until=Stage.SELECT)
    assert kept(run_study(folder, QUIET, until=Stage.TRIM)) == {"dataset": True, "select": True, "trim": False}


def test_single_stage_needs_those_before_it(folder: StudyFolder) -> None:
    run_stage(folder, QUIET, Stage.DATASET)
    with pytest.raises(StageError, match=r"stage 'trim' needs 'select' first: run 'sonyc-trainer select', or 'run'"):
        run_stage(folder, QUIET, Stage.TRIM)
    assert not folder.of(Stage.TRIM).exists()
    assert not run_stage(folder, QUIET, Stage.SELECT).is_kept
    assert run_stage(folder, QUIET, Stage.SELECT).is_kept


def test_second_run_in_the_same_folder_is_refused(folder: StudyFolder) -> None:
    run_study(folder, QUIET, until=Stage.DATASET)
    command = [sys.executable, "-c", HOLD_LOCK, str(folder.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(StageError, match=rf"is in use by process {other.pid}"):
            run_study(folder, QUIET, until=Stage.DATASET)
        other.stdin.close()
        other.wait(20)
    assert kept(run_study(folder, QUIET, until=Stage.DATASET)) == {"dataset": True}


@pytest.mark.parametrize("is_variant", [False, True])
def test_missing_weights_of_openl3_are_noticed_before_anything_is_coded(folder: StudyFolder, is_variant: bool) -> None:
    """Whether it is the package or its weights that are missing where this runs."""
    embedding = {"kind": "openl3", "weights": "/nowhere/weights.h5"}
    compared = [{"name": "openl3", "embedding": embedding}]
    study = with_settings(folder, **({"compare": compared} if is_variant else {"embedding": embedding}))
    with pytest.raises(EmbeddingError, match="openl3"):
        run_study(study, QUIET)
    assert not folder.of(Stage.SELECT).exists()
    run_study(study, QUIET, until=Stage.SELECT)


def test_folder_of_another_study_is_left_alone(folder: StudyFolder) -> None:
    run_study(folder, QUIET, until=Stage.SELECT)
    other = with_settings(folder, name="other", seed=5)
    with pytest.raises(StageError, match="holds the study 'small', not 'other': give another folder with --out"):
        run_study(other, QUIET, until=Stage.SELECT)
    with pytest.raises(StageError, match="holds the study 'small'"):
        run_stage(other, QUIET, Stage.SELECT)
    assert kept(run_study(folder, QUIET, until=Stage.SELECT)) == {"dataset": True, "select": True}


def test_folder_can_be_opened_without_its_toml(folder: StudyFolder) -> None:
    run_study(folder, QUIET, until=Stage.DATASET)
    assert open_folder(folder.root) == folder


@pytest.mark.parametrize("content", [None, "{}", "not JSON"])
def test_other_folders_cannot_be_opened(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    with pytest.raises(StageError, match=r"study\.json"):
        open_folder(tmp_path)


def test_every_stage_has_a_module_and_inputs_that_come_before_it() -> None:
    stages = list(Stage)
    assert list(MODULES) == list(INPUTS) == stages
    for stage, inputs in INPUTS.items():
        assert all(stages.index(before) < stages.index(stage) for before in inputs.after)
