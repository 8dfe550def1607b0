"""An agent that loses its power at any moment, with a broker that comes and goes: no label and no clip is lost."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import LabelEvent
from support.agents import AgentProcess
from support.broker import Mosquitto
from support.evidence import Evidence, left_overs
from support.long_form import figure
from support.processes import wait_until
from support.pulse import PulseSource
from support.signals import noise, write_wav
from support.subscriber import Subscriber

pytestmark = pytest.mark.slow

RATE_HZ = 48_000
# A start takes about a second, a stream's one more: kills fall before the first sample and into full work.
MAX_REPLAYING_S = 4.0
MAX_RECORDING_S = 7.0

REPLAYED = {"source": "files", "files": ["scene.wav"], "loop": True, "speed": 20.0, "clip_s": 2.0}
RECORDED = {"source": "microphone", "device": "pulse", "clip_s": 1.0}


@pytest.fixture
def make_agent(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Callable[..., AgentProcess]]:
    made: list[AgentProcess] = []

    def make(capture: dict[str, Any], environment: dict[str, str] | None = None) -> AgentProcess:
        folder = tmp_path / "node"
        write_wav(folder / "scene.wav", noise(7.0, RATE_HZ), RATE_HZ)
        tables = {
            "capture": {"rate_hz": RATE_HZ, **capture},
            "store": {"mode": "all", "clear": True, "folder": "clips"},
            "mqtt": {"host": "127.0.0.1", "port": mosquitto.port, "keepalive_s": 5, "reconnect_max_s": 0.5},
        }
        made.append(AgentProcess(folder, tables))
        if environment:
            made[-1].environment = environment
        return made[-1]

    yield make
    for agent in made:
        agent.kill()


def killed_and_restarted(
    agent: AgentProcess, broker: Mosquitto, subscriber: Subscriber, *, n_kills: int, max_life_s: float, seed: int
) -> Evidence:
    """Kill the agent so often, let it send what it has, and give what is known of its labels."""
    chance = random.Random(seed)
    evidence = Evidence(agent, RATE_HZ)
    is_up = True
    for _ in range(n_kills):
        agent.start()
        time.sleep(chance.uniform(0.0, max_life_s))  # the moment of the power cut
        if chance.random() < 0.4:
            broker.stop() if is_up else broker.start()
            is_up = not is_up
            time.sleep(chance.uniform(0.0, 1.0))
        agent.kill()
        evidence.look()
    if not is_up:
        broker.start()
    agent.tables = {**agent.tables, "capture": {**REPLAYED, "rate_hz": RATE_HZ, "loop": False, "speed": 0}}
    assert agent.run() == 0
    evidence.look()
    wait_until(lambda: evidence.written <= {one.clip_id for one in labels_of(subscriber)}, what="every label")
    return evidence


def labels_of(subscriber: Subscriber) -> list[LabelEvent]:
    return [
        LabelEvent.model_validate_json(message.payload)
        for message in list(subscriber.messages)
        if message.topic.endswith("/label")
    ]


@pytest.mark.parametrize("part", range(figure(1, 8)))
def test_kills_while_files_are_replayed(
    part: int, make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto, record_property: Callable[..., None]
) -> None:
    n_kills = figure(12, 20)
    agent = make_agent(REPLAYED)
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
        evidence = killed_and_restarted(
            agent, mosquitto, subscriber, n_kills=n_kills, max_life_s=MAX_REPLAYING_S, seed=part
        )
        labels = labels_of(subscriber)
    assert evidence.faults(labels) == []
    assert len({label.run for label in labels}) > n_kills / 3
    assert len(labels) > 10 * n_kills / 3
    assert {label.session for label in labels} == {labels[0].session}
    assert left_overs(agent.folder / "clips") == []
    record_property("kills", _figures(n_kills, labels))


@pytest.fixture
def street(pulse_source: PulseSource, tmp_path: Path) -> PulseSource:
    """A microphone that hears noise."""
    pulse_source.play(write_wav(tmp_path / "street.wav", noise(600.0, 8_000), 8_000))
    return pulse_source


@pytest.mark.parametrize("part", range(figure(1, 2)))
def test_kills_while_a_microphone_is_recorded(
    part: int,
    make_agent: Callable[..., AgentProcess],
    mosquitto: Mosquitto,
    street: PulseSource,
    record_property: Callable[..., None],
) -> None:
    n_kills = figure(3, 20)
    agent = make_agent(RECORDED, street.environment)
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
        evidence = killed_and_restarted(
            agent, mosquitto, subscriber, n_kills=n_kills, max_life_s=MAX_RECORDING_S, seed=100 + part
        )
        labels = labels_of(subscriber)
    assert evidence.faults(labels) == []
    assert len({label.run for label in labels}) > n_kills / 3
    record_property("kills", _figures(n_kills, labels))


def _figures(n_kills: int, labels: list[LabelEvent]) -> str:
    n_labels = len({(label.session, label.seq) for label in labels})
    n_kept = len({label.clip_id for label in labels if label.audio.kept})
    return f"{n_kills} kills: {n_labels} labels came, {len(labels) - n_labels} of them twice, {n_kept} clips decode"
