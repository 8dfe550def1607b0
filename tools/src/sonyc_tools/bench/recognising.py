"""What the recogniser costs: every bundle on every runtime with every number of threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sonyc_contract.audio import FloatArray, resample
from sonyc_contract.bundle import EMBEDDING, Bundle, head_member
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Embedder, EmbeddingSpec, Recogniser
from sonyc_contract.runtime import Runtime, open_interpreter, runtime_version
from sonyc_contract.settings import describe
from sonyc_tools.bench.coding import CodedClips, Coding
from sonyc_tools.bench.graphs import n_macs, quiet
from sonyc_tools.bench.scenes import CLIP_S, RATE_HZ
from sonyc_tools.bench.timing import Estimate, Task, Times
from sonyc_tools.errors import BenchError


@dataclass(frozen=True)
class Contender:
    """A bundle on a runtime."""

    name: str
    path: Path
    bundle: Bundle
    runtime: Runtime
    n_threads: int
    hop_s: float | None

    def __str__(self) -> str:
        """Its name, such as `default, ai-edge-litert 2.3.0, 1 thread`."""
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{self.name}, {runtime_version(self.runtime)}, {threads}"

    @property
    def spec(self) -> EmbeddingSpec:
        """The embedding, at the hop that was chosen.

        Raises:
            BenchError: the hop does not fit its front end.
        """
        return self.bundle.manifest.embedding if self.hop_s is None else _with_hop(self.bundle, self.hop_s)

    def recogniser(self, spec: EmbeddingSpec) -> Recogniser:
        """Open it, with the windows of `spec`."""
        with quiet():
            recogniser = self.bundle.recogniser(runtime=self.runtime, n_threads=self.n_threads)
            if spec != self.bundle.manifest.embedding:
                model = self.bundle.members[EMBEDDING]
                interpreter = open_interpreter(model, runtime=self.runtime, n_threads=self.n_threads)
                recogniser.embedder = Embedder(spec, interpreter)
        return recogniser

    @property
    def macs_per_s(self) -> float:
        """Multiplications of embedding and one head per second of audio, windows side by side."""
        head = self.bundle.head_for(_any_level(self.bundle))
        models = (self.bundle.members[EMBEDDING], self.bundle.members[head_member(head)])
        return sum(map(n_macs, models)) / side_by_side(self.bundle).hop_s

    @property
    def n_bytes(self) -> int:
        """Size of embedding and one head."""
        head = self.bundle.head_for(_any_level(self.bundle))
        return len(self.bundle.members[EMBEDDING]) + len(self.bundle.members[head_member(head)])


@dataclass(frozen=True)
class Inference:
    """What scoring one clip of 10 s takes on the clock, in ms, front end and head included.

    Attributes:
        level: The clip's.
        p50_ms: Per clip; so are `p95_ms` and `max_ms`.
        ms_per_window: The median divided by the clip's windows.
        load: Encoding, decoding and scoring, as a share of the time that the audio lasts.
    """

    level: Level
    p50_ms: float
    p95_ms: float
    max_ms: float
    ms_per_window: float
    load: float


@dataclass(frozen=True)
class RecogniserCost:
    """What a contender costs.

    Attributes:
        contender: Bundle, runtime, threads.
        ms_per_s: Processor time per second of audio at 48 kHz, a minute at once, windows side by side: resampling,
            front end, embedding, head.
        steps_ms_per_s: The same, step by step.
        inference: Per level, at the hop that was chosen.
    """

    contender: Contender
    ms_per_s: Estimate
    steps_ms_per_s: Mapping[str, Estimate]
    inference: Sequence[Inference]


STEPS: Final = ("resampling", "front end", "embedding", "head")


class RecogniserTasks:
    """One contender, opened, and the tasks that it is measured with."""

    def __init__(self, contender: Contender, long: FloatArray, coded: CodedClips, levels: Sequence[Level]) -> None:
        """Open it, score everything once, and keep what the single steps need.

        Raises:
            LevelError: it has no head for one of the levels.
        """
        self.contender, self._long = contender, long
        self._codings = [Coding(level, contender.bundle.manifest.storage_rate_hz) for level in levels]
        self._clips = {coding: coded.decoded(coding) for coding in self._codings}
        self._recogniser = contender.recogniser(contender.spec)
        self._side_by_side = contender.recogniser(side_by_side(contender.bundle))
        first = self._clips[self._codings[0]][0]
        self._n_windows = self._recogniser.score(first, self._codings[0].rate_hz, level=levels[0]).n_windows

    def tasks(self) -> dict[str, Task]:
        """Give the tasks, by names that begin with the contender's."""
        recogniser, of = self._side_by_side, self.contender
        head = of.bundle.head_for(_any_level(of.bundle))
        rate_hz = of.spec.frontend.rate_hz
        with quiet():
            embedding = open_interpreter(of.bundle.members[EMBEDDING], runtime=of.runtime, n_threads=of.n_threads)
        at_rate = resample(self._long, RATE_HZ, rate_hz)
        features = recogniser.embedder.features(at_rate, rate_hz)
        embeddings = recogniser.embedder.embed(at_rate, rate_hz)
        steps: tuple[Task, ...] = (
            lambda _rep: resample(self._long, RATE_HZ, rate_hz),
            lambda _rep: recogniser.embedder.features(at_rate, rate_hz),
            lambda _rep: embedding.run(features),
            lambda _rep: recogniser.heads[head].run(embeddings),
        )
        tasks: dict[str, Task] = {f"{of}: {name}": step for name, step in zip(STEPS, steps, strict=True)}
        tasks[f"{of}: all"] = lambda _rep: recogniser.score_with(head, self._long, RATE_HZ)
        for coding, clips in self._clips.items():
            tasks[f"{of}: {coding}"] = partial(self._score_one, coding, clips)
        return tasks

    def cost(self, times: Mapping[str, Times]) -> RecogniserCost:
        """Say what was measured."""
        of, long_s = self.contender, len(self._long) / RATE_HZ
        return RecogniserCost(
            of,
            times[f"{of}: all"].cpu.scaled(1_000 / long_s),
            {step: times[f"{of}: {step}"].cpu.scaled(1_000 / long_s) for step in STEPS},
            [self._inference(coding, times) for coding in self._codings],
        )

    def _score_one(self, coding: Coding, clips: Sequence[FloatArray], rep: int) -> None:
        self._recogniser.score(clips[rep % len(clips)], coding.rate_hz, level=coding.level)

    def _inference(self, coding: Coding, times: Mapping[str, Times]) -> Inference:
        scoring = times[f"{self.contender}: {coding}"]
        coding_s = sum(times[f"{step} {coding}"].wall.median for step in ("encode", "decode"))
        median_ms = 1_000 * scoring.wall.median
        return Inference(
            level=coding.level,
            p50_ms=median_ms,
            p95_ms=1_000 * scoring.wall_quantile_s(0.95),
            max_ms=1_000 * scoring.wall_quantile_s(1.0),
            ms_per_window=median_ms / self._n_windows,
            load=(coding_s + scoring.wall.median) / CLIP_S,
        )


def side_by_side(bundle: Bundle) -> EmbeddingSpec:
    """Give a bundle's embedding with windows that do not overlap, so that every sample is paid for once."""
    spec = bundle.manifest.embedding
    n_frames = spec.frontend.n_frames(round(spec.window_s * spec.frontend.rate_hz))
    if spec.frontend.shares_stft:
        return _with_hop(bundle, n_frames * spec.frontend.hop_samples / spec.frontend.rate_hz)
    return _with_hop(bundle, spec.window_s)


def _with_hop(bundle: Bundle, hop_s: float) -> EmbeddingSpec:
    try:
        return EmbeddingSpec.model_validate(bundle.manifest.embedding.model_dump() | {"hop_s": hop_s})
    except ValidationError as error:
        raise BenchError(
            f"a hop of {hop_s:g} s does not fit bundle {bundle.manifest.name!r}: {describe(error)}"
        ) from error


def _any_level(bundle: Bundle) -> Level:
    """Choose the level whose head is timed; they cost the same."""
    heads = bundle.manifest.heads
    return next((level for level in Level if level.value in heads), Level.PCM)
