"""The kinds of embedding that this version has."""

from collections.abc import Callable
from typing import Final

from sonyc_trainer.embeddings.compact import CompactEmbedding, teacher_of
from sonyc_trainer.embeddings.edgel3 import EdgeL3Embedding
from sonyc_trainer.embeddings.embedding import EmbeddingSource
from sonyc_trainer.embeddings.given import BundledEmbedding, LogMelStatistics, TfliteEmbedding
from sonyc_trainer.embeddings.openl3 import OpenL3Embedding, weights_path
from sonyc_trainer.study import Study


def _compact(study: Study) -> EmbeddingSource:
    if study.embedding.weights is not None:
        return BundledEmbedding(study.embedding.weights, study.embedding.hop_s)
    return CompactEmbedding(study)


def _tflite(study: Study) -> EmbeddingSource:
    return TfliteEmbedding(study.embedding)


def _edgel3(study: Study) -> EmbeddingSource:
    return EdgeL3Embedding(study.embedding)


def _openl3(study: Study) -> EmbeddingSource:
    return OpenL3Embedding(study.embedding)


def _log_mel(study: Study) -> EmbeddingSource:
    return LogMelStatistics(study.embedding.hop_s)


SOURCES: Final[dict[str, Callable[[Study], EmbeddingSource]]] = {
    "compact": _compact,
    "edgel3-sea": _edgel3,
    "log-mel": _log_mel,
    "openl3": _openl3,
    "tflite": _tflite,
}
"""By the part of `[embedding] kind` before the colon."""


def source_for(study: Study) -> EmbeddingSource:
    """Choose the source that `[embedding]` names."""
    return SOURCES[study.embedding.kind.partition(":")[0]](study)


def check_files(study: Study) -> None:
    """Look for what reading the study did not: hours later, when it is needed, would be late to say that it is missing.

    Raises:
        EmbeddingError: openl3, its weights, or a teacher are not there, or are not what the study wants.
    """
    settings, distil = study.embedding, study.pretrain.distil
    if settings.kind == "openl3":
        weights_path(settings)
    if settings.kind == "compact" and settings.weights is None and distil is not None:
        teacher_of(distil)
