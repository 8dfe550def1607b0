"""Whether the files that nodes run say the same as Keras, clip by clip, on both runtimes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonyc_contract.bundle import Agreement
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Embedder, Pooling, Probabilities, Recogniser
from sonyc_contract.runtime import Interpreter, Runtime, runtime_version
from sonyc_trainer.conversion import load_keras
from sonyc_trainer.embeddings.embedding import Embedding, open_quietly
from sonyc_trainer.tables import read_clip
from sonyc_trainer.tensorflow_session import tensorflow_session


@dataclass(frozen=True)
class HeadFiles:
    """The two forms of a head, and clips to compare them on.

    Attributes:
        name: A level, or `any`.
        keras: The `.keras` file's bytes.
        tflite: The TFLite file's bytes.
        clips: Level and audio file of each clip.
    """

    name: str
    keras: bytes
    tflite: bytes
    clips: Sequence[tuple[Level, Path]]


@dataclass(frozen=True)
class ComparisonJob:
    """All that the comparing process needs."""

    embedding: Embedding
    heads: Sequence[HeadFiles]
    pooling: Pooling
    log: Path


def compare(job: ComparisonJob) -> dict[Runtime, dict[str, Agreement]]:
    """Compare embedding and heads with Keras, by runtime and head.

    Keras computes in float32 throughout. Where the embedding was given as a TFLite file, there is no Keras model of it,
    and the comparison is of the heads only: that file on ai-edge-litert stands in its place.

    Raises:
        ModelError: a file does not load on a runtime.
    """
    embedding = job.embedding
    with tensorflow_session(seed=0, log=job.log):
        in_keras = load_keras(embedding.keras) if embedding.keras else open_quietly(embedding.model)
        expected = {head.name: _score(job, head, in_keras, load_keras(head.keras)) for head in job.heads}
        return {runtime: _on_runtime(job, runtime, expected) for runtime in Runtime}


def summed(of_heads: Mapping[str, Agreement]) -> Agreement:
    """Sum the agreement of several heads up: all clips, the mean top-1 agreement, the largest difference."""
    heads = list(of_heads.values())
    n_clips = sum(head.n_clips for head in heads)
    return Agreement(
        runtime_version=heads[0].runtime_version,
        n_clips=n_clips,
        top1_agreement=sum(head.n_clips * head.top1_agreement for head in heads) / n_clips,
        max_probability_difference=max(head.max_probability_difference for head in heads),
    )


def _on_runtime(job: ComparisonJob, runtime: Runtime, expected: Mapping[str, Probabilities]) -> dict[str, Agreement]:
    embedder = open_quietly(job.embedding.model, runtime)
    return {
        head.name: _agreement(
            runtime, expected[head.name], _score(job, head, embedder, open_quietly(head.tflite, runtime))
        )
        for head in job.heads
    }


def _score(job: ComparisonJob, head: HeadFiles, embedding: Interpreter, model: Interpreter) -> Probabilities:
    """Give the probabilities of a head's clips, float64 [n_clips, 8]."""
    recogniser = Recogniser(Embedder(job.embedding.spec, embedding), {head.name: model}, pooling=job.pooling)
    scores = [recogniser.score_with(head.name, *read_clip(path)) for _, path in head.clips]
    return np.stack([score.probabilities for score in scores])


def _agreement(runtime: Runtime, expected: Probabilities, got: Probabilities) -> Agreement:
    return Agreement(
        runtime_version=runtime_version(runtime),
        n_clips=len(expected),
        top1_agreement=float(np.mean(expected.argmax(axis=1) == got.argmax(axis=1))),
        max_probability_difference=float(np.abs(expected - got).max()),
    )
