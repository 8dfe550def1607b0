"""The yardstick for a distilled embedding: one for every fold that judges it, which it has not heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.study import ComparisonSettings, EmbeddingSettings, Study

CONTESTANT: Final = "compact"
TEACHER: Final = "yamnet"


@dataclass(frozen=True)
class JudgedStudy:
    """A study whose variants are the contestants.

    Attributes:
        study: It has log-mel statistics as its own embedding, the teacher and one student per fold as variants.
        by_fold: The variants that are one contestant, one for every fold.
        reference: The contestant that the others are compared with.
    """

    study: Study
    by_fold: Mapping[str, Sequence[str]]
    reference: str = TEACHER


def judged_study(study: Study, folds: Sequence[int]) -> JudgedStudy:
    """Make the study by which `[pretrain.distil]` is judged, on the same clips.

    Raises:
        EmbeddingError: no teacher is given.
    """
    distil = study.pretrain.distil
    if distil is None or distil.teacher is None:
        raise EmbeddingError("[pretrain.distil] names no teacher: give YAMNet's TFLite file with --teacher FILE")
    students = [f"{CONTESTANT}-{fold}" for fold in folds]
    compare = [
        ComparisonSettings(name=TEACHER, embedding={"kind": f"tflite:{distil.teacher}"}),
        *(
            ComparisonSettings(name=name, embedding={"kind": "compact"}, pretrain={"distil": {"without_fold": fold}})
            for name, fold in zip(students, folds, strict=True)
        ),
    ]
    changes = {
        "name": f"{study.name}-yardstick",
        "embedding": EmbeddingSettings(kind="log-mel", hop_s=study.embedding.hop_s),
        "compare": tuple(compare),
    }
    return JudgedStudy(study.model_copy(update=changes), {CONTESTANT: students})
