"""The yardstick's study: the teacher, log-mel, and one student per fold, which has not heard the fold."""

from pathlib import Path

import pytest

from sonyc_trainer.distillation.judging import CONTESTANT, TEACHER, JudgedStudy, judged_study
from sonyc_trainer.errors import EmbeddingError, SelectionError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.study import Study
from sonyc_trainer.yardstick import check_fair
from support.small_study import small_study

FOLDS = (1, 3)
STUDENTS = ["compact-1", "compact-3"]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    distil = {"teacher": str(tmp_path / "teacher.tflite"), "width": 0.25, "n_mixtures": 7}
    return small_study(tmp_path, pretrain={"n_dimensions": 16, "distil": distil}, embedding={"hop_s": 0.48})


@pytest.fixture
def judged(study: Study) -> JudgedStudy:
    return judged_study(study, FOLDS)


def without_fold(folder: StudyFolder) -> int | None:
    distil = folder.study.pretrain.distil
    assert distil is not None
    return distil.without_fold


def test_contestants_are_the_teacher_log_mel_and_a_student_per_fold(judged: JudgedStudy, tmp_path: Path) -> None:
    variants = StudyFolder(tmp_path, judged.study).variants()
    assert list(variants) == [TEACHER, *STUDENTS]
    assert judged.by_fold == {CONTESTANT: STUDENTS}
    assert judged.study.embedding.kind == "log-mel"
    assert variants[TEACHER].study.embedding.model_path == tmp_path / "teacher.tflite"
    assert {of.study.embedding.hop_s for of in variants.values()} == {judged.study.embedding.hop_s} == {0.48}
    assert judged.reference == TEACHER
    assert judged.study.name == "small-yardstick"


def test_students_differ_by_the_fold_alone(study: Study, judged: JudgedStudy, tmp_path: Path) -> None:
    variants = StudyFolder(tmp_path, judged.study).variants()
    for fold, name in zip(FOLDS, STUDENTS, strict=True):
        of = variants[name].study
        assert of.embedding.kind == "compact"
        assert without_fold(variants[name]) == fold
        assert of.pretrain.distil is not None
        pretrain = of.pretrain.model_copy(
            update={"distil": of.pretrain.distil.model_copy(update={"without_fold": None})}
        )
        assert pretrain == study.pretrain
        assert (of.dataset, of.split, of.seed) == (study.dataset, study.split, study.seed)


def test_it_is_fair_to_judge_every_student_by_its_fold(judged: JudgedStudy, tmp_path: Path) -> None:
    check_fair(StudyFolder(tmp_path, judged.study), FOLDS, by_fold=judged.by_fold)


@pytest.mark.parametrize(
    ("folds", "by_fold", "name"),
    [
        (FOLDS, {CONTESTANT: ["compact-3", "compact-1"]}, "compact-1"),
        ((1, 2), {CONTESTANT: STUDENTS}, "compact-3"),
        (FOLDS, None, "compact-1"),
        (FOLDS, {CONTESTANT: ["compact-1"]}, "compact-3"),
    ],
)
def test_student_that_has_heard_the_fold_that_judges_it_is_refused(
    judged: JudgedStudy,
    tmp_path: Path,
    folds: tuple[int, ...],
    by_fold: dict[str, list[str]] | None,
    name: str,
) -> None:
    with pytest.raises(SelectionError, match=f"{name}: 'compact' would learn from a fold that judges it"):
        check_fair(StudyFolder(tmp_path, judged.study), folds, by_fold=by_fold)


def test_student_of_everything_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"\[embedding\]: 'compact' would learn from a fold"):
        check_fair(StudyFolder(tmp_path, study), [1])


def test_study_without_teacher_cannot_be_judged(tmp_path: Path) -> None:
    tables: list[dict[str, object]] = [{"distil": {}}, {}]
    for pretrain in tables:
        with pytest.raises(EmbeddingError, match=r"\[pretrain.distil\] names no teacher: .* --teacher FILE"):
            judged_study(small_study(tmp_path, pretrain=pretrain), [1])
