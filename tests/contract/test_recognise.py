"""From samples to scores: windows, pooling, calibration and choice of head, against plain NumPy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from sonyc_contract.audio import FloatArray, read_audio, resample
from sonyc_contract.bundle import read_bundle
from sonyc_contract.errors import AudioError, FrontendError, LevelError, ModelError
from sonyc_contract.frontend import COMPACT, EDGEL3_SEA, Frontend
from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import (
    Calibration,
    Embedder,
    EmbeddingSpec,
    HeadSpec,
    InputLayout,
    Pooling,
    Recogniser,
    calibrated,
    detections,
    head_for,
    pooled_logits,
)
from sonyc_contract.runtime import Runtime

_SPEC = EmbeddingSpec(name="mean-of-bands", frontend=COMPACT, window_s=0.975, hop_s=0.96, n_dimensions=64)
_WEIGHTS = np.random.default_rng(3).normal(0, 0.2, (64, N_LABELS)).astype(np.float32)


class MeanOverTime:
    """An embedding model: the mean of each mel band over a window."""

    def __init__(self, input_shape: tuple[int, ...] = (96, 64, 1), n_dimensions: int = 64) -> None:
        self.input_shape = input_shape
        self.output_shape: tuple[int, ...] = (1, n_dimensions)

    def run(self, batch: FloatArray) -> FloatArray:
        axis = 1 if self.input_shape[0] == 96 else 2
        return np.asarray(batch[..., 0].mean(axis=axis)[:, np.newaxis], np.float32)


class Dense:
    """A head: eight logits, linear in the embedding."""

    input_shape: tuple[int, ...] = (64,)
    output_shape: tuple[int, ...] = (N_LABELS,)

    def __init__(self, weights: NDArray[np.float32] = _WEIGHTS) -> None:
        self._weights = weights

    def run(self, batch: FloatArray) -> FloatArray:
        return np.asarray(batch @ self._weights)


def _noise(duration_s: float, rate_hz: int = 48_000) -> FloatArray:
    samples = np.random.default_rng(8).normal(0, 0.1, round(duration_s * rate_hz))
    return samples.astype(np.float32) * np.linspace(0.1, 1, len(samples), dtype=np.float32)


def _recogniser(
    pooling: Pooling = Pooling.MEAN_EMBEDDING, head_specs: Mapping[str, HeadSpec] | None = None
) -> Recogniser:
    heads = {"any": Dense(), "v5": Dense(-_WEIGHTS)}
    return Recogniser(Embedder(_SPEC, MeanOverTime()), heads, head_specs or {}, pooling)


def _embeddings(samples: FloatArray) -> NDArray[np.float32]:
    windows = Frontend(COMPACT).windows(samples, window_s=0.975, hop_s=0.96)
    return np.asarray(windows.mean(axis=1))


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (Pooling.MEAN_EMBEDDING, lambda e: e.mean(axis=0) @ _WEIGHTS),
        (Pooling.MAX_EMBEDDING, lambda e: e.max(axis=0) @ _WEIGHTS),
        (Pooling.MEAN_LOGIT, lambda e: (e @ _WEIGHTS).mean(axis=0)),
        (Pooling.MAX_LOGIT, lambda e: (e @ _WEIGHTS).max(axis=0)),
    ],
)
def test_pooling(pooling: Pooling, expected: object) -> None:
    samples = _noise(5, 16_000)
    scores = _recogniser(pooling).score(samples, 16_000, level=Level.PCM)
    assert callable(expected)
    np.testing.assert_allclose(scores.probabilities, _sigmoid(expected(_embeddings(samples))), rtol=0, atol=1e-6)
    assert scores.probabilities.dtype == np.float64
    assert scores.n_windows == 5


def test_every_pooling_differs() -> None:
    embeddings = _embeddings(_noise(5, 16_000))
    logits = [pooled_logits(embeddings, Dense(), pooling) for pooling in Pooling]
    means = (Pooling.MEAN_EMBEDDING, Pooling.MEAN_LOGIT)  # the same for a linear head
    for first, a in zip(Pooling, logits, strict=True):
        for second, b in zip(Pooling, logits, strict=True):
            if first is not second and {first, second} != set(means):
                assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize(
    ("duration_s", "n_windows", "is_short"),
    [(1 / 48_000, 1, True), (0.5, 1, True), (0.9749, 1, True), (0.975, 1, False), (1.934, 1, False),
     (1.935, 2, False), (10, 10, False)],
)  # fmt: skip
def test_windows_of_a_clip(duration_s: float, n_windows: int, is_short: bool) -> None:
    scores = _recogniser().score(_noise(duration_s), 48_000, level=Level.PCM)
    assert (scores.n_windows, scores.is_short, scores.is_silent) == (n_windows, is_short, False)
    assert np.isfinite(scores.probabilities).all()


def test_short_clip_is_filled_with_zeros() -> None:
    samples = _noise(0.3, 16_000)
    filled = np.concatenate([samples, np.zeros(round(0.675 * 16_000), np.float32)])
    recogniser = _recogniser()
    short, whole = (recogniser.score(clip, 16_000, level=Level.PCM) for clip in (samples, filled))
    np.testing.assert_array_equal(short.probabilities, whole.probabilities)
    assert (short.is_short, whole.is_short) == (True, False)


def test_peaks_are_those_of_the_best_windows() -> None:
    samples = _noise(10.0)
    samples[96_000:] *= 0.001
    recogniser = _recogniser(head_specs={"any": HeadSpec(calibration=Calibration(slope=(2.0,) * 8))})
    scores = recogniser.score(samples, 48_000, level=Level.PCM)
    of_windows = _sigmoid(2 * _embeddings(resample(samples, 48_000, 16_000)) @ _WEIGHTS)
    assert len(of_windows) == scores.n_windows == 10
    np.testing.assert_allclose(scores.peaks, np.maximum(of_windows.max(axis=0), scores.probabilities), atol=1e-4)
    assert (scores.peaks > scores.probabilities + 0.01).any()


@pytest.mark.parametrize("pooling", Pooling)
def test_no_peak_is_below_the_clips_own_probability(pooling: Pooling) -> None:
    scores = _recogniser(pooling).score(_noise(5), 48_000, level=Level.V5)
    assert (scores.peaks >= scores.probabilities).all()


def test_silence_is_marked() -> None:
    scores = _recogniser().score(np.zeros(48_000, np.float32), 48_000, level=Level.PCM)
    assert scores.is_silent
    assert np.isfinite(scores.probabilities).all()
    almost = np.zeros(48_000, np.float32)
    almost[-1] = 1e-6
    assert not _recogniser().score(almost, 48_000, level=Level.PCM).is_silent


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 192_000])
def test_any_rate_gives_nearly_the_same(rate_hz: int) -> None:
    time_s = np.arange(3 * rate_hz) / rate_hz
    tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in (200, 700, 1_900)).astype(np.float32) / 10
    at_16k = sum(np.sin(2 * np.pi * hz * np.arange(48_000) / 16_000) for hz in (200, 700, 1_900)).astype(np.float32)
    scores = _recogniser().score(tones, rate_hz, level=Level.PCM)
    expected = _recogniser().score(at_16k / 10, 16_000, level=Level.PCM)
    np.testing.assert_allclose(scores.probabilities, expected.probabilities, rtol=0, atol=0.05)


def test_choice_of_head() -> None:
    recogniser, samples = _recogniser(), _noise(1)
    own, other = (recogniser.score(samples, 48_000, level=level) for level in (Level.V5, Level.V7))
    assert (own.head, other.head) == ("v5", "any")
    np.testing.assert_allclose(own.probabilities, 1 - other.probabilities, atol=1e-6)
    chosen = recogniser.score_with("v5", samples, 48_000)
    np.testing.assert_array_equal(chosen.probabilities, own.probabilities)


def test_no_head_for_the_level() -> None:
    assert head_for(Level.V5, {"v5": 0, "any": 0}) == "v5"
    assert head_for(Level.PCM, {"v5": 0, "any": 0}) == "any"
    with pytest.raises(LevelError, match="no head for level 'v7' and no head-any; heads are for pcm, v5"):
        head_for(Level.V7, {"v5": 0, "pcm": 0})
    with pytest.raises(LevelError, match="heads are for no level"):
        head_for(Level.V7, {})
    recogniser = Recogniser(Embedder(_SPEC, MeanOverTime()), {"v5": Dense()})
    with pytest.raises(LevelError):
        recogniser.score(_noise(1), 48_000, level=Level.PCM)


def test_calibration_and_thresholds_are_the_heads() -> None:
    calibration = Calibration(slope=(2.0,) * 8, offset=(0.5, -0.5) * 4)
    spec = HeadSpec(thresholds=(0.0, 1.0) * 4, calibration=calibration)
    samples = _noise(1)
    plain = _recogniser().score(samples, 48_000, level=Level.V5)
    scores = _recogniser(head_specs={"v5": spec}).score(samples, 48_000, level=Level.V5)
    logits = np.log(plain.probabilities / (1 - plain.probabilities))
    np.testing.assert_allclose(scores.probabilities, _sigmoid(2 * logits + np.tile([0.5, -0.5], 4)), atol=1e-6)
    assert scores.detections == LABELS[::2]
    assert _recogniser(head_specs={"v5": spec}).score(samples, 48_000, level=Level.PCM).detections == plain_any(samples)


def plain_any(samples: FloatArray) -> tuple[str, ...]:
    """What the head `any` detects at its default threshold."""
    probabilities = _recogniser().score(samples, 48_000, level=Level.PCM).probabilities
    return tuple(name for name, p in zip(LABELS, probabilities, strict=True) if p >= 0.5)


@pytest.mark.filterwarnings("error")
def test_sigmoid_does_not_overflow() -> None:
    logits = np.array([-1e30, -800, -1, 0, 1, 30, 800, 1e30], np.float32)
    probabilities = calibrated(logits, Calibration())
    assert probabilities[0] == 0
    assert probabilities[-1] == 1
    np.testing.assert_allclose(probabilities[2:5], [0.26894142, 0.5, 0.73105858], atol=1e-8)
    assert (np.diff(probabilities) >= 0).all()


def test_detection_is_at_or_over_the_threshold() -> None:
    probabilities = np.array([0.5, 0.49, 0, 1, 0.5, 0.2, 0.9, 0.5])
    assert detections(probabilities, (0.5,) * 8) == ("engine", "powered-saw", "alert-signal", "human-voice", "dog")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_sample_that_is_not_finite(value: float) -> None:
    samples = _noise(1)
    samples[1_000] = value
    with pytest.raises(AudioError, match=f"clip: sample 1000 is {value}"):
        _recogniser().score(samples, 48_000, level=Level.PCM)


def test_model_that_gives_nan() -> None:
    heads = {"any": Dense(np.full((64, N_LABELS), np.nan, np.float32))}
    with pytest.raises(ModelError, match="head-any gives nan for a clip of finite samples"):
        Recogniser(Embedder(_SPEC, MeanOverTime()), heads).score(_noise(1), 48_000, level=Level.PCM)


def test_layout_of_the_input() -> None:
    turned = _SPEC.model_copy(update={"layout": InputLayout.MEL_TIME})
    embedder = Embedder(turned, MeanOverTime((64, 96, 1)))
    samples = _noise(3, 16_000)
    assert embedder.features(samples, 16_000).shape == (3, 64, 96, 1)
    np.testing.assert_allclose(embedder.embed(samples, 16_000), _embeddings(samples), atol=1e-6)


def test_model_that_does_not_fit() -> None:
    with pytest.raises(FrontendError, match=r"the model takes \(64, 96, 1\), but front end 'compact' .* \(96, 64, 1\)"):
        Embedder(_SPEC, MeanOverTime((64, 96, 1)))
    with pytest.raises(ModelError, match=r"the model gives \(1, 32\), not 64 dimensions"):
        Embedder(_SPEC, MeanOverTime(n_dimensions=32))


def test_hop_that_does_not_fit_is_refused_in_the_declaration() -> None:
    with pytest.raises(ValidationError, match=r"hop_s = 0\.965 is no multiple of the frames' hop of 'compact'"):
        EmbeddingSpec(name="x", frontend=COMPACT, window_s=1, hop_s=0.965, n_dimensions=8)
    EmbeddingSpec(name="x", frontend=EDGEL3_SEA, window_s=1, hop_s=0.965, n_dimensions=8)  # padded window by window
    with pytest.raises(ValidationError, match="no multiple"):
        EmbeddingSpec(name="x", frontend=EDGEL3_SEA, window_s=1, hop_s=1e-6, n_dimensions=8)


# The shipped bundle, on the real runtimes


def test_both_runtimes_agree(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    samples = _noise(4)
    reference = bundle.recogniser().score(samples, 48_000, level=Level.V5)
    scores = bundle.recogniser(runtime=runtime).score(samples, 48_000, level=Level.V5)
    np.testing.assert_allclose(scores.probabilities, reference.probabilities, rtol=0, atol=0.05)
    assert scores.head == reference.head


def test_batch_of_windows_is_one_by_one(default_bundle: Path, runtime: Runtime) -> None:
    embedder = read_bundle(default_bundle).recogniser(runtime=runtime).embedder
    spec = embedder.spec
    n_hop, n_window = (round(s * spec.frontend.rate_hz) for s in (spec.hop_s, spec.window_s))
    samples = _noise(5, spec.frontend.rate_hz)
    together = embedder.embed(samples, spec.frontend.rate_hz)
    assert together.shape[1] == spec.n_dimensions
    assert len(together) > 3
    for index, embedding in enumerate(together):
        alone = embedder.embed(samples[index * n_hop :][:n_window], spec.frontend.rate_hz)
        np.testing.assert_allclose(alone[0], embedding, rtol=0, atol=1e-4)


def test_more_threads_give_the_same(default_bundle: Path) -> None:
    bundle, samples = read_bundle(default_bundle), _noise(2)
    one, two = (bundle.recogniser(n_threads=n).score(samples, 48_000, level=Level.PCM) for n in (1, 2))
    np.testing.assert_allclose(one.probabilities, two.probabilities, rtol=0, atol=1e-3)


def test_scoring_keeps_no_state(default_bundle: Path) -> None:
    recogniser = read_bundle(default_bundle).recogniser()
    first = recogniser.score(_noise(2), 48_000, level=Level.PCM)
    recogniser.score(np.zeros(100, np.float32), 48_000, level=Level.V9)
    again = recogniser.score(_noise(2), 48_000, level=Level.PCM)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)


def test_real_clips_give_probabilities(default_bundle: Path, shared_data: Path) -> None:
    recogniser = read_bundle(default_bundle).recogniser()
    for path in sorted((shared_data / "sonyc").glob("*.wav"))[:2]:
        audio = read_audio(path)
        scores = recogniser.score(audio.samples, audio.rate_hz, level=Level.PCM)
        assert scores.probabilities.shape == (N_LABELS,)
        assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()
        assert set(scores.detections) <= set(LABELS)
