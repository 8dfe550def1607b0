"""The fixtures themselves: a broker that comes back, a microphone that hears what is played."""

import socket
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from support.broker import Mosquitto
from support.pulse import PulseSource
from support.system_packages import require_system

_RATE_HZ = 48000
_N_SAMPLES = 2 * _RATE_HZ


def test_broker_comes_back_on_the_same_port(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((mosquitto.host, mosquitto.port), timeout=2)
    mosquitto.start()
    socket.create_connection((mosquitto.host, mosquitto.port), timeout=2).close()


def test_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    require_system("mosquitto")
    with pytest.raises(RuntimeError, match="no_such_option"):
        Mosquitto(tmp_path, settings=["no_such_option true"]).start()


def test_source_hears_what_is_played(pulse_source: PulseSource, tmp_path: Path) -> None:
    time_s = np.arange(3 * _RATE_HZ) / _RATE_HZ
    tone = np.int16(0.5 * 32767 * np.sin(2 * np.pi * 1000 * time_s))
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(tone.tobytes())
    pulse_source.play(tmp_path / "tone.wav")
    command = ["parec", "--raw", "--format=s16le", f"--rate={_RATE_HZ}", "--channels=1"]
    recorder = subprocess.Popen(command, env=pulse_source.environment, stdout=subprocess.PIPE)
    assert recorder.stdout is not None
    heard = np.frombuffer(recorder.stdout.read(2 * _N_SAMPLES), np.int16) / 32768
    recorder.kill()
    recorder.communicate()
    assert len(heard) == _N_SAMPLES
    assert np.abs(heard).max() == pytest.approx(0.5, abs=0.02)


def test_missing_package_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.system_packages.INSTALLED", {"mosquitto": lambda: False})
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="mosquitto is missing"):
        require_system("mosquitto")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="mosquitto is missing"):
        require_system("mosquitto")
