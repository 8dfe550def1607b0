"""Front ends: their declaration, how windows are laid, and golden figures of a signal of our own.

The golden figures are in tests/golden/frontend.npz, within 1e-4 (decibels, or natural logarithm for `compact`). They
are made again by `.venv/bin/python tests/golden/regenerate.py`.
"""

import numpy as np
import pytest
from pydantic import ValidationError

from golden.regenerate import FRONTEND_GOLDEN, log_mel
from sonyc_contract.errors import FrontendError
from sonyc_contract.frontend import (
    COMPACT,
    EDGEL3_SEA,
    OPENL3,
    PRESETS,
    SONYC_8K,
    SONYC_COMPAT,
    Frontend,
    FrontendSpec,
    mel_bank,
    preset,
)

_GOLDEN_TOLERANCE = 1e-4


def _noise(n_samples: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, n_samples).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
def test_golden(name: str) -> None:
    with np.load(FRONTEND_GOLDEN) as golden:
        np.testing.assert_allclose(log_mel(PRESETS[name]), golden[name], rtol=0, atol=_GOLDEN_TOLERANCE)


def test_golden_is_of_these_declarations() -> None:
    with np.load(FRONTEND_GOLDEN) as golden:
        assert list(golden["ids"]) == [spec.id for spec in PRESETS.values()]


def test_preset_by_name() -> None:
    assert preset("compact") is COMPACT
    with pytest.raises(FrontendError, match=r"unknown front end 'mfcc': use one of compact, openl3"):
        preset("mfcc")


def test_id_names_every_field() -> None:
    ids = {COMPACT.id}
    changes = {
        "name": "other", "rate_hz": 22_050, "window_samples": 384, "hop_samples": 161, "n_fft": 1024, "padding": "same",
        "fft_power": 2, "n_mels": 63, "mel_min_hz": 126.0, "mel_max_hz": 7_499.0, "mel_scale": "slaney",
        "mel_area_norm": True, "mel_bank_rate_hz": 16_000, "mel_power": 2.0, "scaling": "db", "floor": 1e-4,
        "reference": "window-max",
    }  # fmt: skip
    for field, value in changes.items():
        ids.add(FrontendSpec.model_validate(COMPACT.model_dump() | {field: value}).id)
    ids.add(FrontendSpec.model_validate(SONYC_8K.model_dump() | {"range_db": 70.0}).id)
    assert len(ids) == len(changes) + 2
    assert set(changes) | {"range_db"} == set(FrontendSpec.model_fields)


def test_id_survives_json() -> None:
    for spec in PRESETS.values():
        assert FrontendSpec.model_validate_json(spec.model_dump_json(), strict=True).id == spec.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_fft": 256}, "n_fft = 256 is less than window_samples = 400"),
        ({"mel_max_hz": 8_001.0}, "mels from 125 to 8001 Hz do not fit a bank for 16000 Hz"),
        ({"mel_min_hz": 7_500.0}, "mels from 7500 to 7500 Hz"),
        ({"range_db": 80.0}, "range_db needs reference 'window-max'"),
        ({"n_mells": 64}, "Extra inputs are not permitted"),
        ({"floor": float("nan")}, "finite number"),
        ({"hop_samples": 0}, "greater than or equal to 1"),
    ],
)
def test_declaration_that_makes_no_sense(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FrontendSpec.model_validate(COMPACT.model_dump() | change)


@pytest.mark.parametrize(
    ("spec", "n_samples", "n_frames"),
    [
        (COMPACT, 16_000, 98),
        (COMPACT, 400, 1),
        (COMPACT, 399, 0),
        (COMPACT, 0, 0),
        (SONYC_8K, 8_000, 51),
        (EDGEL3_SEA, 8_000, 50),
        (OPENL3, 48_000, 199),
    ],
)
def test_n_frames(spec: FrontendSpec, n_samples: int, n_frames: int) -> None:
    assert spec.n_frames(n_samples) == n_frames
    if n_frames:
        features = Frontend(spec).log_mel(_noise(n_samples))
        assert features.shape == (n_frames, spec.n_mels)
        assert features.dtype == np.float32
        assert np.isfinite(features).all()


def test_fewer_samples_than_one_frame() -> None:
    with pytest.raises(FrontendError, match="399 samples are fewer than one frame of 400"):
        Frontend(COMPACT).log_mel(_noise(399))


def test_compact_by_its_definition() -> None:
    samples = _noise(48_000)
    frame = samples[160 * 200 :][:400].astype(np.float64)
    hann = np.sin(np.pi * np.arange(400) / 400) ** 2
    magnitude = np.abs(np.fft.rfft(frame * hann, 512))
    expected = np.log(magnitude @ mel_bank(COMPACT) + 1e-3)
    np.testing.assert_allclose(Frontend(COMPACT).log_mel(samples)[200], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 127, 128, 129, 256, 300])
def test_blocks_leave_no_seam(n_frames: int) -> None:
    samples = _noise(400 + 160 * (n_frames - 1))
    frontend = Frontend(COMPACT)
    one_by_one = [frontend.log_mel(samples[160 * i :][:400])[0] for i in range(n_frames)]
    np.testing.assert_allclose(frontend.log_mel(samples), one_by_one, rtol=0, atol=1e-5)


def test_silence_is_flat_and_finite() -> None:
    for spec in PRESETS.values():
        features = Frontend(spec).log_mel(np.zeros(spec.rate_hz, np.float32))
        assert np.ptp(features) == 0
        assert np.isfinite(features).all()


def test_loud_float_audio_stays_finite() -> None:
    for spec in PRESETS.values():
        assert np.isfinite(Frontend(spec).log_mel(np.float32(1e4) * _noise(spec.rate_hz))).all()


@pytest.mark.parametrize("spec", PRESETS.values(), ids=lambda spec: spec.name)
def test_windows_are_the_clips_slices(spec: FrontendSpec) -> None:
    samples = _noise(round(2.5 * spec.rate_hz))
    frontend = Frontend(spec)
    windows = frontend.windows(samples, window_s=1.0, hop_s=0.5)
    assert windows.shape == (4, spec.n_frames(spec.rate_hz), spec.n_mels)
    assert windows.flags.c_contiguous
    for index, window in enumerate(windows):
        alone = frontend.log_mel(samples[index * spec.rate_hz // 2 :][: spec.rate_hz])
        np.testing.assert_allclose(window, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("hop_s", [0.01, 0.95, 0.96, 0.97, 1.5])
def test_windows_that_overlap_follow_or_leave_some_out(hop_s: float) -> None:
    samples, frontend, n_hop = _noise(5 * 16_000 + 7), Frontend(COMPACT), round(hop_s * 16_000)
    windows = frontend.windows(samples, window_s=0.975, hop_s=hop_s)
    assert len(windows) == 1 + (len(samples) - 15_600) // n_hop
    for index in (0, 1, len(windows) - 1):
        alone = frontend.log_mel(samples[index * n_hop :][:15_600])
        np.testing.assert_allclose(windows[index], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("spec", [COMPACT, SONYC_8K], ids=lambda spec: spec.name)
@pytest.mark.parametrize(
    ("n_samples", "n_windows"), [(0, 1), (1, 1), (7_999, 1), (8_000, 1), (11_999, 1), (12_000, 2), (80_000, 19)]
)
def test_how_many_windows(spec: FrontendSpec, n_samples: int, n_windows: int) -> None:
    n_samples = n_samples * spec.rate_hz // 8_000
    assert len(Frontend(spec).windows(_noise(n_samples), window_s=1.0, hop_s=0.5)) == n_windows


@pytest.mark.parametrize("spec", [COMPACT, SONYC_8K], ids=lambda spec: spec.name)
def test_short_clip_is_filled_with_zeros_at_its_end(spec: FrontendSpec) -> None:
    samples = _noise(spec.rate_hz // 3)
    filled = np.concatenate([samples, np.zeros(spec.rate_hz - len(samples), np.float32)])
    frontend = Frontend(spec)
    short = frontend.windows(samples, window_s=1.0, hop_s=0.5)
    np.testing.assert_array_equal(short, frontend.windows(filled, window_s=1.0, hop_s=0.5))


def test_hop_that_does_not_fit() -> None:
    frontend = Frontend(COMPACT)
    with pytest.raises(FrontendError, match=r"hop_s = 0\.105 is 1680 samples, not a multiple of the 160"):
        frontend.windows(_noise(32_000), window_s=1.0, hop_s=0.105)
    with pytest.raises(FrontendError, match="under one sample"):
        frontend.windows(_noise(32_000), window_s=1.0, hop_s=1e-5)


@pytest.mark.parametrize("n_mels", [1, 15, 17, 200])  # of 200 some lie between two bins and hear nothing
def test_every_mel_hears_all_of_its_bins(n_mels: int) -> None:
    spec = FrontendSpec.model_validate(COMPACT.model_dump() | {"n_mels": n_mels})
    samples = _noise(400).astype(np.float64)
    magnitude = np.abs(np.fft.rfft(samples * np.sin(np.pi * np.arange(400) / 400) ** 2, 512))
    expected = np.log(magnitude @ mel_bank(spec) + 1e-3)
    np.testing.assert_allclose(Frontend(spec).log_mel(_noise(400))[0], expected, rtol=0, atol=1e-5)


def test_mel_bank_areas_and_peaks() -> None:
    bank = mel_bank(OPENL3)
    assert bank.shape == (1025, 256)
    assert bank.min() == 0
    upper = bank[:, 150:] * (48_000 / 2_048)  # wide enough for the sum over bins to be an area
    np.testing.assert_allclose(upper.sum(axis=0), 1, atol=0.05)
    # Without area norm a triangle's peak is 1; no bin need lie on it.
    assert 0.8 < mel_bank(COMPACT)[:, 40:].max() <= 1


def test_sonycs_fault_lowers_every_pitch() -> None:
    """Its mel bank is laid out for 44.1 kHz over the bins of an 8 kHz signal."""
    tone = np.sin(2 * np.pi * 1_000 * np.arange(8_000) / 8_000).astype(np.float32)
    right = Frontend(SONYC_8K).log_mel(tone)[25].argmax()
    wrong = Frontend(SONYC_COMPAT).log_mel(tone)[25].argmax()
    centres = {spec.name: mel_bank(spec).argmax(axis=0) for spec in (SONYC_8K, SONYC_COMPAT)}
    assert abs(centres["sonyc-8k"][right] - 128) <= 2  # bin 128 of 1024 at 8 kHz is 1 kHz, for both
    assert abs(centres["sonyc-compat"][wrong] - 128) <= 2
    assert wrong > right + 5
