"""Capture through PortAudio from a sound server whose input is known."""

import tempfile
from collections.abc import Iterator
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
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
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


def test_samples_that_the_sound_system_lost_become_a_gap_of_the_time_that_passed(port_audio: FakePortAudio) -> None:
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


def test_sound_server_that_dies_ends_the_agent(tmp_path: Path) -> None:
    require_system("pulseaudio")
    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        server = PulseServer(Path(folder))
        server.start()
        agent = AgentProcess(
            tmp_path / "node",
            {"capture": {"device": "pulse"}, "mqtt": {"port": free_port()}},
            environment={**server.environment(), "PULSE_SOURCE": "idle.monitor"},
        )
        try:
            agent.start()
            agent.wait_for_record("recording")
            server.stop()
            assert agent.wait() == 1
        finally:
            agent.kill()
            server.stop()
    assert agent.summary["labels_waiting"] == 1
    assert "sonyc-device: " in agent.log.read_text()
