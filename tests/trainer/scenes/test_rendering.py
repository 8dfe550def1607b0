"""Clips: the same from the same settings, sound where the plan says, at the level that it says."""

import numpy as np
import pytest

from sonyc_contract.audio import from_int16, leq_dbfs
from sonyc_contract.labels import LABELS
from sonyc_trainer.scenes import ScenesConfig, plan_clip, render_clip
from sonyc_trainer.scenes.background import background, steady_dbfs
from sonyc_trainer.scenes.noise import band, coloured, white
from sonyc_trainer.scenes.plan import Event, Proximity
from sonyc_trainer.scenes.sensors import Site, draw_sensor
from sonyc_trainer.scenes.settings import N_SAMPLES, RATE_HZ, Stream, random_stream
from sonyc_trainer.scenes.street import N_FFT, active_s, arriving, limited, mixed_over

CONFIG = ScenesConfig(n_clips=24, seed=3)


def rng(seed=0):
    return np.random.default_rng(seed)


def event(**changes):
    plain = {
        "label": "engine", "kind": "1", "fine": "1", "proximity": Proximity.NEAR, "distance_m": 5.0,
        "is_hidden": False, "start_s": 2.0, "length_s": 5.0, "snr_db": 10.0,
    }  # fmt: skip
    return Event(**{**plain, **changes})


@pytest.fixture(scope="module")
def scenes():
    return [render_clip(index, CONFIG) for index in range(CONFIG.n_clips)]


def test_clips_are_whole_finite_and_neither_silent_nor_clipped(scenes):
    for scene in scenes:
        assert scene.samples.dtype == np.int16
        assert scene.samples.shape == (N_SAMPLES,)
        samples = from_int16(scene.samples)
        assert -55 < leq_dbfs(samples) < -10
        assert np.mean(np.abs(samples) > 0.9) < 0.005
        frames = samples.reshape(-1, RATE_HZ // 10)
        assert (frames.std(axis=1) > 1e-4).all()


def test_a_clip_is_the_same_again_and_whatever_the_number_of_clips_is(scenes):
    for index in (0, 5):
        for n_clips in (CONFIG.n_clips, index + 1, 100_000):
            again = render_clip(index, CONFIG.model_copy(update={"n_clips": n_clips}))
            assert again.spec == scenes[index].spec
            assert np.array_equal(again.samples, scenes[index].samples)


def test_another_seed_gives_other_sensors_and_other_sound(scenes):
    other = render_clip(0, CONFIG.model_copy(update={"seed": 4}))
    assert other.spec.sensor != scenes[0].spec.sensor
    assert not np.array_equal(other.samples, scenes[0].samples)


def test_sensors_do_not_depend_on_their_number_and_differ_from_each_other():
    few, many = CONFIG.model_copy(update={"n_sensors": 2}), CONFIG.model_copy(update={"n_sensors": 100})
    sensors = {spec.sensor.sensor_id: spec.sensor for spec in (plan_clip(index, many) for index in range(300))}
    for index in range(20):
        sensor = plan_clip(index, few).sensor
        assert sensor.sensor_id < 2
        assert sensor == draw_sensor(CONFIG.seed, sensor.sensor_id)
    assert len({sensor.level_dbfs for sensor in sensors.values()}) == len(sensors)
    assert {sensor.site for sensor in sensors.values()} == set(Site)


def test_plans_vary_in_time_distance_and_loudness():
    events = [e for index in range(400) for e in plan_clip(index, CONFIG).events]
    assert {e.label for e in events} == set(LABELS)
    assert all(e.start_s >= 0 and e.start_s + e.length_s <= 10 + 1e-9 for e in events)
    assert 0.1 < np.mean([e.length_s == 10 for e in events]) < 0.5
    assert min(e.snr_db for e in events) < 3
    assert max(e.snr_db for e in events) > 25
    near = [e.snr_db for e in events if e.proximity is Proximity.NEAR]
    far = [e.snr_db for e in events if e.proximity is Proximity.FAR]
    assert np.mean(near) > np.mean(far) + 5
    assert max(e.distance_m for e in events if e.proximity is Proximity.NEAR) <= 20


def test_machines_work_on_weekdays_by_day():
    for index in range(300):
        spec = plan_clip(index, CONFIG)
        if "powered-saw" in spec.labels or "machinery-impact" in spec.labels:
            assert spec.moment.day < 5
            assert 7 <= spec.moment.hour < 18


def test_background_has_its_level_and_falls_with_frequency():
    for index in range(4):
        spec = plan_clip(index, CONFIG)
        samples = background(spec, rng(index))
        frames = samples.reshape(-1, RATE_HZ // 10)
        assert np.median([leq_dbfs(frame) for frame in frames]) == pytest.approx(steady_dbfs(spec), abs=7)
        power = np.abs(np.fft.rfft(samples)) ** 2
        hz = np.fft.rfftfreq(N_SAMPLES, 1 / RATE_HZ)
        assert power[(hz > 100) & (hz < 1_000)].mean() > 30 * power[(hz > 4_000) & (hz < 8_000)].mean()


def arrival_samples(sound, what, sensor):
    return np.fft.irfft(arriving(sound, what, sensor, rng(1)).bins, N_FFT)[:N_SAMPLES]


def test_an_event_sounds_when_it_should():
    samples = arrival_samples(white(rng(), 5 * RATE_HZ), event(), draw_sensor(1, 0))
    energy = np.square(samples).reshape(100, -1).sum(axis=1)
    assert energy[:20].sum() < 1e-3 * energy.sum()
    assert energy[20:70].sum() > 0.98 * energy.sum()


def test_distance_and_corners_take_high_frequencies():
    sensor = draw_sensor(1, 0)

    def brightness(**changes):
        power = np.abs(np.fft.rfft(arrival_samples(white(rng(), 5 * RATE_HZ), event(**changes), sensor))) ** 2
        hz = np.fft.rfftfreq(N_SAMPLES, 1 / RATE_HZ)
        return 10 * np.log10(power[(hz > 8_000) & (hz < 12_000)].sum() / power[(hz > 300) & (hz < 600)].sum())

    assert brightness(distance_m=120.0) < brightness(distance_m=5.0) - 8
    assert brightness(is_hidden=True) < brightness(is_hidden=False) - 8


@pytest.mark.parametrize("snr_db", [0.0, 12.0])
def test_an_event_comes_at_its_signal_to_noise_ratio(snr_db):
    street = coloured(rng(), N_SAMPLES, band(300, 3_000)) * np.float32(0.005)
    sound = coloured(rng(2), 5 * RATE_HZ, band(300, 3_000))
    arrival = arriving(sound, event(), draw_sensor(1, 0), rng(3))
    assert arrival.active_s == pytest.approx(5.0, abs=0.1)
    added = mixed_over(street, [(arrival, snr_db)]) - street
    inside = added[3 * RATE_HZ : 6 * RATE_HZ]
    assert leq_dbfs(inside) - leq_dbfs(street) == pytest.approx(snr_db, abs=1.0)


def test_no_event_is_louder_than_the_microphone_bears():
    street = white(rng(), N_SAMPLES) * np.float32(0.02)
    arrival = arriving(white(rng(2), 5 * RATE_HZ), event(), draw_sensor(1, 0), rng(3))
    added = mixed_over(street, [(arrival, 60.0)]) - street
    assert leq_dbfs(added[3 * RATE_HZ : 6 * RATE_HZ]) == pytest.approx(-18, abs=1)


def test_active_time_counts_what_is_near_the_loudest():
    sound = np.zeros(RATE_HZ, dtype=np.float32)
    sound[:22_050] = 0.01
    sound[22_050:26_460] = 1.0
    assert active_s(sound) == pytest.approx(0.1)
    assert active_s(sound[:100]) == pytest.approx(0.05)


def test_limiter_bends_only_what_is_near_full_scale():
    samples = np.linspace(-3, 3, 1_001, dtype=np.float32)
    bent = limited(samples)
    quiet = np.abs(samples) <= 0.7
    assert np.array_equal(bent[quiet], samples[quiet])
    assert np.abs(bent).max() < 1
    assert (np.diff(bent) >= 0).all()
    assert samples.max() == 3


def test_streams_of_one_clip_do_not_share_numbers():
    draws = {tuple(random_stream(1, stream, 0).random(3)) for stream in Stream}
    assert len(draws) == len(Stream)
