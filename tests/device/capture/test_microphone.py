"""Capture through PortAudio from a sound server whose input is known."""

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonyc_contract.messages import LabelEvent
from sonyc_device.capture.microphone import MicrophoneSettings, MicrophoneSource, check_microphone, list_inputs
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import Block, End, Gap, GapCause
from sonyc_device.errors import CaptureError
from support.agents import AgentProcess
from support.broker import Mosquitto, free_port
from support.port_audio import FakePortAudio
from support.processes import wait_until
from support.pulse import PulseServer, PulseSource
from support.signals import noise, write_wav
from support.subscriber import Subscriber
from support.system_packages import require_system

RATE_HZ = 48_000
PLAYED_S = 9.0
CLIP_S = 2.0


@pytest.fixture
def agent(tmp_path: Path, pulse_source: PulseSource, mosquitto: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that listens, and keeps clips without loss."""
    process = AgentProcess(
        tmp_path / "node",
        {
            "capture": {"device": "pulse", "clip_s": CLIP_S},
            "store": {"mode": "all", "clear": True, "level": "pcm", "folder": "clips"},
            "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        },
        environment=pulse_source.environment,
    )
    yield process
    process.kill()


def test_what_is_played_is_recorded_without_a_gap(
    agent: AgentProcess, tmp_path: Path, pulse_source: PulseSource, mosquitto: Mosquitto
) -> None:
    played = noise(PLAYED_S, RATE_HZ, seed=7)
    wav = write_wav(tmp_path / "played.wav", played, RATE_HZ)
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        agent.start()
        agent.wait_for_record("recording")
        assert pulse_source.play(wav).wait(60) == 0
        agent.wait_for_record("label", n=5)
        assert agent.terminate() == 0
        written = agent.summary["labels_written"]
        subscriber.wait_for(written)
    labels = [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]

    assert agent.summary["gaps"] == 0
    assert agent.summary["clips_recorded"] == written == len(labels) == len(agent.clips)
    lengths = [round(label.duration_s * RATE_HZ) for label in labels]
    assert lengths[:-1] == [round(CLIP_S * RATE_HZ)] * (len(labels) - 1)
    assert [label.sample_index for label in labels] == [0, *np.cumsum(lengths[:-1])]
    recorded = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in agent.clips])
    assert len(recorded) == sum(lengths)
    heard = played[RATE_HZ // 2 :]  # the player's first 0.14 s were not heard: its stream was still starting
    found_at = position_of(heard[:RATE_HZ], recorded)
    np.testing.assert_allclose(recorded[found_at : found_at + len(heard)], heard, atol=2 / 32768)


def position_of(needle: np.ndarray, haystack: np.ndarray) -> int:
    """Where `needle` begins in `haystack`, by the maximum of their correlation."""
    n_fft = 1 << (len(needle) + len(haystack) - 1).bit_length()
    spectrum = np.fft.rfft(haystack, n_fft) * np.conj(np.fft.rfft(needle, n_fft))
    return int(np.argmax(np.fft.irfft(spectrum, n_fft)[: len(haystack)]))


def test_the_channel_asked_for_is_recorded(port_audio: FakePortAudio) -> None:
    ring = Ring(RATE_HZ)
    source = MicrophoneSource(MicrophoneSettings(rate_hz=RATE_HZ, n_channels=3, channel=2))
    source.start(ring)
    assert (port_audio.settings["channels"], port_audio.settings["samplerate"]) == (3, RATE_HZ)
    port_audio.deliver(np.array([[1, 2, 3], [4, 5, 6]]))
    source.stop()
    block = ring.read(2)
    assert isinstance(block, Block)
    assert block.samples.tolist() == [2, 5]


def test_row_13_samples_that_the_sound_system_lost_become_a_gap_of_the_time_that_passed(
    port_audio: FakePortAudio,
) -> None:
    ring, now_s = Ring(10 * RATE_HZ), iter([0.0, 0.1, 0.5])
    source = MicrophoneSource(MicrophoneSettings(rate_hz=RATE_HZ), monotonic=lambda: next(now_s))
    source.start(ring)
    block = np.zeros((RATE_HZ // 10, 1))
    port_audio.deliver(block, overflow=True)  # before the first block nothing of ours is lost
    port_audio.deliver(block)
    port_audio.deliver(block, overflow=True)
    source.stop()
    first = ring.read(RATE_HZ)
    assert isinstance(first, Block)
    assert len(first.samples) == RATE_HZ // 5
    assert ring.read(RATE_HZ) == Gap(RATE_HZ // 5, round(0.3 * RATE_HZ), GapCause.DEVICE_OVERFLOW)


def test_stream_that_ends_by_itself_is_an_error_and_one_that_is_stopped_is_not(port_audio: FakePortAudio) -> None:
    for ends_by_itself in (True, False):
        ring, source = Ring(RATE_HZ), MicrophoneSource(MicrophoneSettings("street"))
        source.start(ring)
        port_audio.finished() if ends_by_itself else source.stop()
        end = ring.read(1)
        assert isinstance(end, End)
        assert (end.error is not None) == ends_by_itself
        assert not ends_by_itself or str(end.error) == (
            "the sound system ended the stream of 'street' at 48000 Hz, 1 channel(s)"
        )


def test_unknown_device_is_refused_with_the_names_there_are(pulse_source: PulseSource) -> None:
    assert "pulse" in [found.name for found in list_inputs()]
    message = r"cannot record from 'no such thing' at 48000 Hz, 1 channel\(s\): .*inputs are: .*pulse"
    with pytest.raises(CaptureError, match=message):
        MicrophoneSource(MicrophoneSettings("no such thing")).start(Ring(10))
    with pytest.raises(CaptureError, match=message):
        check_microphone(MicrophoneSettings("no such thing"))
    check_microphone(MicrophoneSettings("pulse"))


@pytest.fixture
def own_server() -> Iterator[PulseServer]:
    """A daemon that the test may start and stop."""
    require_system("pulseaudio")
    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        server = PulseServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def make_lonely(tmp_path: Path, own_server: PulseServer) -> Iterator[Callable[..., AgentProcess]]:
    """Makes an agent that hears the test's own daemon, and has no broker."""
    agents: list[AgentProcess] = []

    def make(**capture: float) -> AgentProcess:
        tables = {"capture": {"device": "pulse", "clip_s": CLIP_S, **capture}, "mqtt": {"port": free_port()}}
        environment = {**own_server.environment(), "PULSE_SOURCE": "idle.monitor"}
        agents.append(AgentProcess(tmp_path / "node", tables, environment=environment))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()


def steps(agent: AgentProcess) -> list[str]:
    return [record["step"] for record in agent.records if record["message"] == "microphone delivers nothing"]


def test_row_12_sound_server_that_dies_and_comes_back_is_recorded_on(
    make_lonely: Callable[..., AgentProcess], own_server: PulseServer
) -> None:
    own_server.start()
    agent = make_lonely()
    agent.start()
    agent.wait_for_record("label")
    own_server.stop()
    wait_until(lambda: "rescan" in steps(agent), what="the ladder to be climbed")
    n_labels = sum(record["message"] == "label" for record in agent.records)
    own_server.start()
    agent.wait_for_record("microphone delivers again")
    agent.wait_for_record("label", n=n_labels + 1)
    assert agent.terminate() == 0

    summary, gaps = agent.summary, [record for record in agent.records if record["message"] == "gap"]
    assert steps(agent)[:2] == ["reopen", "rescan"]
    assert (summary["microphone_reopened"], summary["microphone_rescanned"]) == (1, steps(agent).count("rescan"))
    assert {gap["cause"] for gap in gaps} <= {"stalled", "fragment"}
    ends = [gap["start_sample"] + gap["n_samples"] for gap in gaps]
    assert [gap["start_sample"] for gap in gaps[1:]] == ends[:-1]  # one after the other, and all of the outage
    first, *_, last = (datetime.fromisoformat(gap["time"]) for gap in gaps)
    assert summary["seconds_lost"] == pytest.approx((last - first).total_seconds(), abs=1.5)


def test_row_12_sound_server_that_stays_away_ends_the_agent(
    make_lonely: Callable[..., AgentProcess], own_server: PulseServer
) -> None:
    own_server.start()
    agent = make_lonely(give_up_after_s=2.0)
    agent.start()
    agent.wait_for_record("recording")
    own_server.stop()
    assert agent.wait() == 1
    assert steps(agent)[-1] == "give-up"
    assert agent.summary["labels_waiting"] >= 1
    *records, said = agent.log.read_text().splitlines()
    assert said.startswith("sonyc-device: no sample has come from 'pulse' for ")
    assert all(json.loads(line) for line in records)  # what ALSA and PortAudio print stands in the log as records
    assert any(record["logger"] == "native" for record in agent.records)


def test_row_11_microphone_that_is_missing_at_boot_is_waited_for(
    make_lonely: Callable[..., AgentProcess], own_server: PulseServer
) -> None:
    agent = make_lonely()
    agent.start()
    wait_until(lambda: "rescan" in steps(agent), what="the ladder to be climbed")
    assert not any(record["message"] == "recording" for record in agent.records)
    own_server.start()
    agent.wait_for_record("label")
    assert agent.terminate() == 0
    gaps = [record for record in agent.records if record["message"] == "gap"]
    assert (gaps[0]["start_sample"], gaps[0]["cause"]) == (0, "stalled")


@pytest.mark.parametrize(("rate_hz", "channel"), [(44_100, 1), (16_000, 2)])
def test_any_channel_is_recorded_at_other_rates(
    rate_hz: int, channel: int, tmp_path: Path, pulse_source: PulseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    stereo = PulseSource(pulse_source.server, f"stereo{rate_hz}")
    stereo.open(rate_hz, n_channels=2)
    monkeypatch.setenv("PULSE_SOURCE", stereo.name)
    tones = np.stack([tone(frequency_hz, rate_hz) for frequency_hz in (500, 1500)], axis=1)
    ring, source = Ring(60 * rate_hz), MicrophoneSource(MicrophoneSettings("pulse", rate_hz, 2, channel))
    source.start(ring)
    try:
        assert stereo.play(write_wav(tmp_path / "tones.wav", tones, rate_hz)).wait(60) == 0
        wait_until(lambda: ring.arrival.n_samples >= 4 * rate_hz, what="four seconds")
    finally:
        source.stop()
        stereo.close()
    blocks = list(iter(lambda: ring.read(rate_hz), End()))
    heard = np.concatenate([block.samples for block in blocks if isinstance(block, Block)]).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(heard))
    loudest_hz = np.argmax(spectrum) * rate_hz / len(heard)
    assert loudest_hz == pytest.approx((500, 1500)[channel - 1], abs=1.0)
    other = spectrum[round((1500, 500)[channel - 1] * len(heard) / rate_hz)]
    assert other < spectrum.max() / 100


def tone(frequency_hz: float, rate_hz: int) -> np.ndarray:
    """Three seconds of a sine."""
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(3 * rate_hz) / rate_hz)).astype(np.float32)
