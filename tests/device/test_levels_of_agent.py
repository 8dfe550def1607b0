"""Sound levels of a running agent: in its labels and on its own topic, calibrated or not, or not at all."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.messages import LabelEvent, MinuteLevel
from sonyc_device.cli import main
from support.agents import AgentProcess, write_toml
from support.broker import Mosquitto, free_port
from support.processes import wait_until
from support.signals import noise, write_wav
from support.subscriber import Subscriber

RATE_HZ = 48_000
QUIET, LOUD = 0.01, 0.1


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """130 s: noise that is 20 dB louder from 60 s to 80 s."""
    samples = noise(130, RATE_HZ, level=QUIET)
    samples[60 * RATE_HZ : 80 * RATE_HZ] *= LOUD / QUIET
    return write_wav(tmp_path / "scene.wav", samples, RATE_HZ)


@pytest.fixture
def make_agent(tmp_path: Path, scene: Path, mosquitto: Mosquitto) -> Iterator[Callable[..., AgentProcess]]:
    """Makes agents that replay the scene; they are killed at the end of the test."""
    agents: list[AgentProcess] = []

    def make(*, level: dict[str, Any], **capture: Any) -> AgentProcess:
        tables = {
            "capture": {"source": "files", "files": [str(scene)], "speed": 0, **capture},
            "level": level,
            "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        }
        agents.append(AgentProcess(tmp_path / f"node-{len(agents)}", tables))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()


def received(subscriber: Subscriber, kind: str) -> list[bytes]:
    return [bytes(message.payload) for message in subscriber.messages if message.topic == f"sonyc/v1/node-1/{kind}"]


def heard(agent: AgentProcess, mosquitto: Mosquitto, *, n: int) -> tuple[list[LabelEvent], list[MinuteLevel]]:
    """Run an agent to its end, and give its labels and minutes, `n` messages in all."""
    with Subscriber(mosquitto.port, "sonyc/v1/+/+") as subscriber:
        assert agent.run() == 0
        wait_until(
            lambda: len(received(subscriber, "label")) + len(received(subscriber, "spl")) >= n,
            what=f"{n} labels and minutes",
        )
        labels, minutes = received(subscriber, "label"), received(subscriber, "spl")
    return (
        [LabelEvent.model_validate_json(payload, strict=True) for payload in labels],
        [MinuteLevel.model_validate_json(payload, strict=True) for payload in minutes],
    )


def test_labels_and_minutes_say_how_loud_it_was(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    labels, minutes = heard(make_agent(level={"enabled": True}), mosquitto, n=16)
    assert len(labels) == 13
    for label in labels:
        sound_level = label.sound_level
        is_loud = 60 <= label.sample_index / RATE_HZ < 80
        assert (sound_level.unit, sound_level.calibration) == ("dBFS", None)
        assert sound_level.leq == pytest.approx(-20 if is_loud else -40, abs=0.1)
        assert sound_level.levels is not None
        assert sound_level.levels.lzeq == pytest.approx(sound_level.leq, abs=0.02)
        assert sound_level.levels.l90 < sound_level.levels.l50 < sound_level.levels.l10 < sound_level.levels.lafmax
        assert len(sound_level.levels.bands) == 28
    assert [(minute.seq, minute.sample_index // RATE_HZ, minute.covered_s) for minute in minutes] == [
        (1, 0, 60),
        (2, 60, 60),
        (3, 120, 10),
    ]
    quiet, loud, rest = (minute.levels for minute in minutes)
    assert quiet.lzeq == pytest.approx(-40, abs=0.1)
    assert loud.lzeq == pytest.approx(10 * np.log10((20 * LOUD**2 + 40 * QUIET**2) / 60), abs=0.1)
    assert loud.l10 - loud.l90 == pytest.approx(20, abs=0.5)
    assert rest.laeq == pytest.approx(quiet.laeq, abs=0.1)
    assert [(minute.start_utc - minutes[0].start_utc).total_seconds() for minute in minutes] == [0, 60, 120]


def test_levels_go_on_between_sampled_clips(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    agent = make_agent(level={"enabled": True, "bands": False}, mode="sampled", mean_gap_s=20)
    with Subscriber(mosquitto.port, "sonyc/v1/+/spl") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(3)
    minutes = [MinuteLevel.model_validate_json(payload) for payload in subscriber.payloads]
    assert agent.summary["seconds_paused"] > 20
    assert sum(minute.covered_s for minute in minutes) == pytest.approx(130, abs=0.02)
    assert {minute.levels.bands for minute in minutes} == {()}


def test_minutes_may_be_left_out(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    labels, minutes = heard(make_agent(level={"enabled": True, "spl": False}), mosquitto, n=13)
    assert len(minutes) == 0
    assert all(label.sound_level.levels for label in labels)


def test_field_failure_23_calibrated_node_publishes_sound_pressure(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto, tmp_path: Path
) -> None:
    tone = (0.05 * np.sin(2 * np.pi * 1_000 * np.arange(6 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    wav = write_wav(tmp_path / "calibrator.wav", tone, RATE_HZ)
    agent = make_agent(level={"enabled": True}, clip_s=60)
    agent.folder.mkdir()
    config = write_toml(agent.folder / "node.toml", {"node_id": "node-1", "state_folder": "state", **agent.tables})
    assert main(["calibrate", "--config", str(config), str(wav)]) == 0
    (made,) = json.loads((agent.folder / "state" / "calibration.json").read_text())["calibrations"]
    labels, minutes = heard(agent, mosquitto, n=6)
    assert {(minute.unit, minute.calibration) for minute in minutes} == {("dB re 20 uPa", made["id"])}
    assert {(label.sound_level.unit, label.sound_level.calibration) for label in labels} == {
        ("dB re 20 uPa", made["id"])
    }
    assert minutes[0].levels.lzeq == pytest.approx(-40 + made["offset_db"], abs=0.1)
    assert labels[0].sound_level.leq == pytest.approx(-40 + made["offset_db"], abs=0.1)


def test_damaged_calibration_does_not_keep_the_agent_from_running(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(level={"enabled": True}, clip_s=60)
    (agent.folder / "state").mkdir(parents=True)
    (agent.folder / "state" / "calibration.json").write_text("{")
    labels, _ = heard(agent, mosquitto, n=6)
    assert {label.sound_level.unit for label in labels} == {"dBFS"}
    assert [record for record in agent.records if "sound levels are in dBFS" in record["message"]]


@pytest.mark.parametrize("enabled", [False, True])
def test_what_is_off_is_not_loaded_and_what_is_on_is_light(enabled: bool, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "scene.wav", noise(3, RATE_HZ), RATE_HZ)
    tables = {
        "node_id": "node-1",
        "state_folder": "state",
        "capture": {"source": "files", "files": [str(wav)], "speed": 0},
        "level": {"enabled": enabled},
        "mqtt": {"port": free_port()},
    }
    config = write_toml(tmp_path / "node.toml", tables)
    code = (
        "import sys; from sonyc_device.cli import main; "
        f"main(['run', '--config', {str(config)!r}, '--drain-timeout', '0']); "
        "print(*(name for name in sys.modules if name.startswith(('sonyc_device.level', 'scipy.signal'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"message": "finished"' in done.stderr
    loaded = set(done.stdout.split())
    assert "scipy.signal" not in loaded  # 55 MB
    assert bool(loaded) == enabled
