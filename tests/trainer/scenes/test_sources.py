"""Every class has the acoustic structure that its name promises."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

from sonyc_trainer.scenes.plan import KIND_WEIGHTS
from sonyc_trainer.scenes.settings import RATE_HZ
from sonyc_trainer.scenes.sources import synthesise
from sonyc_trainer.scenes.sources.alerts import Signal, Sweep, draw_signal, pitch_hz, signalling
from sonyc_trainer.scenes.sources.dog import Dog, barking, draw_dog
from sonyc_trainer.scenes.sources.engine import Drive, Engine, draw_engine, engine_sound
from sonyc_trainer.scenes.sources.impacts import Impact, draw_hammer, hammering, impacts
from sonyc_trainer.scenes.sources.music import Timbre, draw_tune, midi_hz, playing
from sonyc_trainer.scenes.sources.saw import draw_saw, sawing
from sonyc_trainer.scenes.sources.voice import (
    VOWELS_HZ,
    Manner,
    Speaker,
    Syllable,
    draw_speaker,
    speech,
    syllables,
    voices,
)

FOUR_S = 4 * RATE_HZ
KINDS = [(label, kind) for label, kinds in KIND_WEIGHTS.items() for kind in kinds]


def rng(seed=0):
    return np.random.default_rng(seed)


def envelope(samples, rate_hz=1_000):
    """RMS envelope at about `rate_hz`: how it is sampled, and its values."""
    step = RATE_HZ // rate_hz
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    return RATE_HZ / step, np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1))


def period_s(envelope_hz, values, low_s, high_s):
    """Lag of the highest peak of the autocorrelation, and its height relative to lag 0."""
    centred = values - values.mean()
    power = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(power)[: len(centred)]
    lags = np.arange(round(low_s * envelope_hz), round(high_s * envelope_hz))
    best = lags[np.argmax(correlation[lags])]
    return best / envelope_hz, correlation[best] / correlation[0]


def spectrum(samples):
    """Power spectrum of all samples: frequencies and powers."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return np.fft.rfftfreq(len(samples), 1 / RATE_HZ), power


def ridge(samples, low_hz, high_hz):
    """Strongest frequency of every 46 ms frame within a band: times and frequencies."""
    hz, times_s, power = scipy.signal.spectrogram(samples, RATE_HZ, nperseg=2_048, noverlap=1_024, nfft=8_192)
    inside = (hz >= low_hz) & (hz <= high_hz)
    return times_s, hz[inside][np.argmax(power[inside], axis=0)]


def band_power(samples, low_hz, high_hz):
    hz, power = spectrum(samples)
    return power[(hz >= low_hz) & (hz < high_hz)].sum()


def n_bursts(samples):
    """How often the envelope, smoothed over 30 ms, rises through a tenth of its maximum."""
    _, values = envelope(samples)
    smooth = np.convolve(values, np.ones(30) / 30, mode="same")
    loud = smooth > 0.1 * smooth.max()
    return int(loud[0]) + int(np.sum(~loud[:-1] & loud[1:]))


@pytest.mark.parametrize(("label", "kind"), KINDS)
def test_every_kind_sounds_differs_and_repeats(label, kind):
    n = round(1.5 * RATE_HZ)
    samples = synthesise(label, kind, n, rng(1))
    assert samples.dtype == np.float32
    assert samples.shape == (n,)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() > 1e-3
    assert np.array_equal(samples, synthesise(label, kind, n, rng(1)))
    assert not np.array_equal(samples, synthesise(label, kind, n, rng(2)))


@pytest.mark.parametrize("firing_hz", [24.0, 60.0])
def test_engine_has_a_harmonic_series_of_its_firing_rate(firing_hz):
    engine = replace(
        draw_engine("2", rng(3)), firing_hz=firing_hz, unevenness=0.0, clatter=0.1, hiss=0.02, drive=Drive.IDLING
    )
    samples = engine_sound(engine, FOUR_S, rng(4))
    hz, power = spectrum(samples)
    on = sum(power[np.abs(hz - k * firing_hz) < 0.06 * firing_hz].sum() for k in range(1, 8))
    between = sum(power[np.abs(hz - (k + 0.5) * firing_hz) < 0.06 * firing_hz].sum() for k in range(1, 8))
    assert on > 100 * between


def test_uneven_cylinders_are_heard_below_the_firing_rate():
    even = Engine(40.0, 4, 0.0, 3.0, 1.5, (100.0, 300.0), 0.1, 0.05)
    share = []
    for engine in (even, replace(even, unevenness=0.5)):
        samples = engine_sound(engine, FOUR_S, rng(5))
        share.append(band_power(samples, 8, 12) / band_power(samples, 38, 42))
    assert share[1] > 30 * share[0]


def test_drives_move_the_speed_as_they_say():
    # Nearly a sine, high enough to be followed frame by frame.
    engine = Engine(400.0, 1, 0.0, 0.3, 3.0, (5_000.0, 6_000.0), 0.0, 0.0)
    spans = {}
    for drive in Drive:
        _, hz = ridge(engine_sound(replace(engine, drive=drive), FOUR_S, rng(6)), 200, 1_400)
        spans[drive] = np.percentile(hz, 95) / np.percentile(hz, 5)
    assert spans[Drive.IDLING] < 1.15
    assert spans[Drive.REVVING] > 1.3
    assert spans[Drive.ACCELERATING] > 1.25


@pytest.mark.parametrize(("fine", "rate_hz"), [("1", 32.0), ("2", 16.0), ("3", 7.0), ("4", 1.25)])
def test_hammering_repeats_at_its_rate(fine, rate_hz):
    hammer = replace(draw_hammer(fine, rng(7)), rate_hz=rate_hz, jitter=0.005, air=0.05, pauses=False)
    envelope_hz, values = envelope(hammering(hammer, 2 * FOUR_S, rng(8)))
    found_s, height = period_s(envelope_hz, values, 0.6 / rate_hz, 1.4 / rate_hz)
    assert found_s == pytest.approx(1 / rate_hz, abs=0.002)
    assert height > 0.3


def test_hammer_pauses_when_its_operator_does():
    hammer = replace(draw_hammer("2", rng(7)), pauses=True, air=0.0)
    _, values = envelope(hammering(hammer, 2 * FOUR_S, rng(9)), rate_hz=10)
    assert values.min() < 0.05 * np.median(values)


@pytest.mark.parametrize("kind", list(Impact))
def test_impacts_are_few_short_and_not_periodic(kind):
    for seed in range(4):
        samples = impacts(kind, 2 * FOUR_S, rng(seed))
        _, values = envelope(samples, rate_hz=100)
        assert 1 <= n_bursts(samples) <= 12
        assert np.mean(values > 0.03 * values.max()) < 0.5


def test_bounces_come_ever_faster():
    _, values = envelope(impacts(Impact.BOUNCE, FOUR_S, rng(2)))
    peaks, _ = scipy.signal.find_peaks(values, height=0.08 * values.max(), distance=40)
    intervals = np.diff(peaks)
    assert len(intervals) >= 3
    assert (np.diff(intervals) < 5).all()


def test_saw_teeth_sag_under_load_and_reach_above_8_khz():
    saw = replace(draw_saw("2", rng(1)), teeth_hz=3_000.0, teeth=2.0, motor=0.2, cut=0.3, sag=0.25, spin_up_s=0.0)
    samples = sawing(saw, 2 * FOUR_S, rng(2))
    _, hz = ridge(samples, 1_800, 3_600)
    assert np.percentile(hz, 95) == pytest.approx(3_000, rel=0.05)
    assert np.percentile(hz, 5) < 0.85 * 3_000
    assert band_power(samples, 8_000, 20_000) > 0.01 * band_power(samples, 100, 20_000)


def test_chainsaw_has_harmonics_of_its_motor():
    saw = replace(draw_saw("1", rng(1)), motor_hz=120.0, sag=0.0, motor=2.0, teeth=0.05, cut=0.1, spin_up_s=0.0)
    hz, power = spectrum(sawing(saw, FOUR_S, rng(2)))
    on = sum(power[np.abs(hz - k * 120) < 0.05 * k * 120].sum() for k in range(2, 6))
    assert on > 0.5 * power[(hz > 200) & (hz < 660)].sum()


def test_siren_wails_over_its_range():
    siren = Signal(500.0, 1_250.0, Sweep.WAIL, 4.0, 1.5)
    times_s, hz = ridge(signalling(siren, 2 * FOUR_S, rng()), 300, 1_600)
    expected = np.interp(times_s, np.arange(len(pitch_hz(siren, 2 * FOUR_S))) / 100, pitch_hz(siren, 2 * FOUR_S))
    assert np.median(np.abs(hz - expected) / expected) < 0.02
    assert hz.max() / hz.min() > 2.2


def test_two_tone_siren_stays_on_two_pitches():
    siren = Signal(450.0, 600.0, Sweep.TWO_TONE, 1.0, 1.5)
    _, hz = ridge(signalling(siren, FOUR_S, rng()), 300, 800)
    assert np.mean((np.abs(hz - 450) < 12) | (np.abs(hz - 600) < 12)) > 0.95
    assert 0.4 < np.mean(hz > 520) < 0.6


def test_horn_sounds_a_chord():
    horn = Signal(400.0, 400.0, Sweep.STEADY, 1.0, 0.6, (1.0, 1.25), ((0.0, 4.0),))
    hz, power = spectrum(signalling(horn, FOUR_S, rng()))
    for pitch in (400, 500, 800, 1_000):
        assert power[np.abs(hz - pitch) < 5].max() > 1_000 * np.median(power[np.abs(hz - pitch) < 60])


def test_reverse_beeper_repeats():
    beeper = draw_signal("4", 2 * FOUR_S, rng(3))
    on_s = beeper.spans_s[1][0] - beeper.spans_s[0][0]
    envelope_hz, values = envelope(signalling(beeper, 2 * FOUR_S, rng(3)), rate_hz=200)
    found_s, height = period_s(envelope_hz, values, 0.4, 1.5)
    assert found_s == pytest.approx(on_s, abs=0.02)
    assert height > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_music_keeps_to_its_key(seed):
    tune = replace(draw_tune("1", rng(seed)), drums=0.0, is_minor=False, lead=Timbre.ORGAN, backing=Timbre.ORGAN)
    hz, power = spectrum(playing(tune, 2 * FOUR_S, rng(seed + 10)))
    inside = (hz > 120) & (hz < 900)
    semitone = 69 + 12 * np.log2(hz[inside] / 440) - tune.root_midi
    chroma = np.bincount(np.round(semitone).astype(int) % 12, weights=power[inside], minlength=12)
    in_scale = chroma[[0, 2, 4, 5, 7, 9, 11]]
    assert in_scale.sum() > 5 * np.delete(chroma, [0, 2, 4, 5, 7, 9, 11]).sum()


def test_music_keeps_time():
    tune = replace(draw_tune("1", rng(4)), drums=1.0, bass=0.0, tempo_bpm=120.0)
    samples = playing(tune, 2 * FOUR_S, rng(5))
    sos = scipy.signal.butter(4, 7_000, "high", fs=RATE_HZ, output="sos")
    envelope_hz, values = envelope(scipy.signal.sosfilt(sos, samples), rate_hz=200)
    found_s, height = period_s(envelope_hz, values, 0.9, 1.1)
    assert found_s == pytest.approx(1.0, abs=0.01)
    assert height > 0.3


def test_midi_note_69_is_440_hz():
    assert midi_hz(69) == 440
    assert midi_hz(81) == 880


def vowel(number, pitch=110.0, tract=1.0):
    speaker = Speaker(pitch, tract, Manner.TALKING, 0.02, 1.0, 0.2, 0.0)
    return speech(speaker, [Syllable(0.05, 1.9, number, 0.0)], 2 * RATE_HZ, rng(6))


def envelope_peaks_hz(samples):
    """Peaks of the spectrum smoothed over 200 Hz, flattened by the 6 dB an octave of the source."""
    hz, power = spectrum(samples[RATE_HZ // 4 : -RATE_HZ // 4])
    smooth = np.convolve(power * np.maximum(hz, 50) ** 2, np.hanning(400), mode="same")
    inside = (hz > 120) & (hz < 3_200)
    peaks, _ = scipy.signal.find_peaks(10 * np.log10(smooth[inside]), prominence=1.5)
    return hz[inside][peaks]


@pytest.mark.parametrize("number", [0, 3, 4])
def test_voice_has_the_formants_of_its_vowel(number):
    peaks = envelope_peaks_hz(vowel(number, pitch=70.0))
    for formant_hz in VOWELS_HZ[number][:2]:
        assert np.abs(peaks - formant_hz).min() < 110, (peaks, formant_hz)


def test_a_shorter_tract_raises_the_formants():
    assert envelope_peaks_hz(vowel(3, tract=1.3)).min() > 1.15 * envelope_peaks_hz(vowel(3)).min()


@pytest.mark.parametrize("pitch", [110.0, 230.0])
def test_voice_has_its_pitch(pitch):
    samples = vowel(4, pitch)[RATE_HZ // 2 : RATE_HZ]
    correlation = np.correlate(samples, samples, mode="full")[len(samples) - 1 :]
    lags = np.arange(RATE_HZ // 400, RATE_HZ // 70)
    assert RATE_HZ / lags[np.argmax(correlation[lags])] == pytest.approx(pitch, rel=0.05)


def test_people_speak_three_to_seven_syllables_a_second_within_phrases():
    rates = []
    for seed in range(20):
        spoken = syllables(draw_speaker(rng(seed), Manner.TALKING), 2 * FOUR_S, rng(seed))
        starts = np.array([syllable.start_s for syllable in spoken])
        rates.append(1 / np.median(np.diff(starts)))
    assert 3 < np.median(rates) < 7
    assert np.std(rates) > 0.3


def test_pauses_are_silent_and_a_crowd_has_none():
    def quietest(samples):
        _, values = envelope(samples, rate_hz=20)
        return np.percentile(values, 5) / np.median(values)

    speaker = draw_speaker(rng(8), Manner.TALKING)
    spoken = syllables(speaker, 2 * FOUR_S, rng(8))
    assert quietest(speech(speaker, spoken, 2 * FOUR_S, rng(8))) < 0.02
    assert quietest(voices("3", 2 * FOUR_S, rng(8))) > 0.3


def test_dog_barks_as_often_as_drawn_and_its_pitch_falls():
    dog = Dog(600.0, 0.2, 0.5, 0.2, (700.0, 1500.0, 3000.0, 5200.0, 9500.0), (0.2, 0.9, 1.6, 2.9))
    samples = barking(dog, FOUR_S, rng(1))
    assert n_bursts(samples) == 4
    times_s, hz = ridge(samples, 250, 700)
    first = (times_s > 0.23) & (times_s < 0.27)
    last = (times_s > 0.33) & (times_s < 0.37)
    assert np.median(hz[last]) < 0.85 * np.median(hz[first])
    assert band_power(samples, 8_000, 18_000) > 1e-3 * band_power(samples, 100, 18_000)


@pytest.mark.parametrize("seed", range(5))
def test_drawn_dogs_bark_within_the_time_given(seed):
    dog = draw_dog(FOUR_S, rng(seed))
    assert dog.starts_s
    assert all(0 <= start_s <= 4 - dog.bark_s + 0.05 for start_s in dog.starts_s)
