"""Levels of files against figures worked out in another way, and what raw PCM is taken for."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.errors import AudioError
from sonyc_device.level.figures import Figures
from sonyc_device.level.file_levels import Measurement, RawFormat, RawPcm, open_recording
from sonyc_device.level.weighting import Weighting, design_goal_db
from support.signals import noise, write_wav

RATE_HZ = 48_000


def measured(path: Path, *, raw: RawPcm | None = None, channel: int = 0, with_bands: bool = True) -> Figures:
    with open_recording(path, raw=raw) as recording:
        measurement = Measurement(recording.rate_hz, with_bands=with_bands)
        list(measurement.seconds(recording.blocks(channel=channel)))
    total = measurement.total()
    assert total is not None
    return total


def by_spectrum(samples: np.ndarray, rate_hz: int, weighting: Weighting) -> float:
    """Equivalent level from the whole recording's spectrum and the analytic curve: no filter, no ticks."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    f = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    energies = 2 * np.abs(spectrum[1:]) ** 2 / len(samples) ** 2
    return float(10 * np.log10(np.sum(energies * 10 ** (design_goal_db(weighting, f[1:]) / 10))))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_levels_of_noise_are_those_of_its_spectrum(rate_hz: int, tmp_path: Path) -> None:
    white = noise(20, rate_hz, level=0.05)
    brown = np.cumsum(noise(20, rate_hz, seed=2, level=1e-3)).astype(np.float32)
    samples = white + brown - np.linspace(brown[0], brown[-1], len(brown), dtype=np.float32)
    figures = measured(write_wav(tmp_path / "noise.wav", samples, rate_hz))
    found = {Weighting.A: figures.laeq, Weighting.C: figures.lceq}
    for weighting, level in found.items():
        assert level == pytest.approx(by_spectrum(samples, rate_hz, weighting), abs=0.15), weighting


def test_a_real_recording(shared_data: Path) -> None:
    path = shared_data / "sonyc" / "06_002911.wav"
    samples, rate_hz = soundfile.read(path)
    assert rate_hz == 44_100
    figures = measured(path)
    assert figures.laeq == pytest.approx(by_spectrum(samples, rate_hz, Weighting.A), abs=0.1)
    assert figures.lceq == pytest.approx(by_spectrum(samples, rate_hz, Weighting.C), abs=0.1)
    # The spectrum's level has what is below 1 Hz, too.
    assert figures.lzeq == pytest.approx(by_spectrum(samples, rate_hz, Weighting.Z), abs=0.2)
    assert figures.l90 < figures.l50 < figures.laeq < figures.l10 < figures.lafmax
    in_bands = 10 * np.log10(np.sum(10 ** (np.array(figures.bands) / 10)))
    assert in_bands == pytest.approx(figures.lzeq, abs=0.6)  # below 22 Hz and above 14 kHz there is no band


def test_seconds_are_given_as_they_are_over(tmp_path: Path) -> None:
    steps = [np.full(RATE_HZ, 1.0) * 10 ** (-level / 20) for level in (10, 30, 50)]
    tone = np.sin(2 * np.pi * 1_000 * np.arange(3 * RATE_HZ) / RATE_HZ) * np.concatenate(steps)
    path = write_wav(tmp_path / "steps.wav", tone.astype(np.float32), RATE_HZ)
    with open_recording(path) as recording:
        measurement = Measurement(recording.rate_hz, with_bands=False)
        seconds = list(measurement.seconds(recording.blocks(channel=0)))
    assert [number for number, _ in seconds] == [0, 1, 2]
    for (_, figures), level in zip(seconds, (10, 30, 50), strict=True):
        assert figures.laeq == pytest.approx(-3.01 - level, abs=0.1)


@given(
    values=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=20),
    form=st.sampled_from([form for form in RawFormat if form is not RawFormat.F32BE]),
)
def test_raw_samples_are_what_soundfile_reads(
    values: list[int], form: RawFormat, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("raw") / "samples.raw"
    subtype = {"s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32", "f32": "FLOAT"}[form[:3]]
    endian = {"le": "LITTLE", "be": "BIG"}[form[3:]]
    samples = np.array(values) / 2**15
    soundfile.write(path, samples, RATE_HZ, format="RAW", subtype=subtype, endian=endian)
    np.testing.assert_array_equal(form.decode(path.read_bytes()), samples.astype(np.float32))


def test_raw_pcm_has_the_levels_of_the_same_samples_in_wav(tmp_path: Path) -> None:
    stereo = np.stack([noise(3, RATE_HZ, seed=1), noise(3, RATE_HZ, seed=2, level=0.01)], axis=1)
    wav = write_wav(tmp_path / "a.wav", stereo, RATE_HZ)
    raw = tmp_path / "a.raw"
    raw.write_bytes(soundfile.read(wav, dtype="int16")[0].astype(">i2").tobytes())
    form = RawPcm(RATE_HZ, RawFormat.S16BE, n_channels=2)
    for channel in (0, 1):
        found, expected = measured(raw, raw=form, channel=channel), measured(wav, channel=channel)
        assert found.laeq == pytest.approx(expected.laeq, abs=1e-9)
        assert found.bands == pytest.approx(expected.bands, abs=1e-9)


def test_raw_pcm_that_ends_within_a_frame_is_marked(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(4 * 48_000 + 3))
    with open_recording(tmp_path / "a.raw", raw=RawPcm(RATE_HZ, RawFormat.S16LE, 2)) as recording:
        assert sum(map(len, recording.blocks(channel=1))) == 48_000
        assert recording.is_cut


@pytest.mark.parametrize(
    ("data", "form", "message"),
    [
        (b"", RawFormat.S16LE, "a.raw: holds no samples"),
        (b"\x01", RawFormat.S16LE, "a.raw: holds no samples"),
        (np.array([0, 1, np.nan], "<f4").tobytes(), RawFormat.F32LE, "a.raw: sample 2 is nan"),
    ],
)
def test_raw_pcm_that_is_wrong(data: bytes, form: RawFormat, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(data)
    recorded = open_recording(tmp_path / "a.raw", raw=RawPcm(RATE_HZ, form))
    with recorded as recording, pytest.raises(AudioError, match=message):
        list(recording.blocks(channel=0))


@pytest.mark.parametrize("name", ["absent.raw", "."])
def test_raw_file_that_is_none(name: str, tmp_path: Path) -> None:
    with (
        pytest.raises(AudioError, match="cannot be read"),
        open_recording(tmp_path / name, raw=RawPcm(RATE_HZ, RawFormat.S16LE)),
    ):
        pass


def test_a_long_file_is_never_held_whole(tmp_path: Path) -> None:
    path, rate_hz = tmp_path / "long.wav", 8_000
    minute = noise(60, rate_hz, level=0.01)
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16") as file:
        for _ in range(20):
            file.write(minute)
    measured(write_wav(tmp_path / "short.wav", minute, rate_hz), with_bands=False)  # loads what is loaded once
    tracemalloc.start()
    try:
        figures = measured(path, with_bands=False)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert figures.covered_s == 1_200
    assert peak_bytes < 20e6  # its samples are 38 MB as float32, and 77 MB as float64


def test_measuring_loads_neither_the_models_nor_all_of_scipy_signal(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", noise(1, RATE_HZ), RATE_HZ)
    code = (
        "import sys; from sonyc_device.cli import main; "
        f"code = main(['level', {str(wav)!r}]); "
        "print(code, *sorted({'scipy.signal', 'ai_edge_litert', 'pedalboard', 'sounddevice'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
