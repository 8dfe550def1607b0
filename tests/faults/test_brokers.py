"""Brokers that are there and do not do their work: capture goes on, every label waits, and all of them arrive at last.

An absent broker for a day is in `test_day.py`; one that comes and goes while the agent is killed in `test_kills.py`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonyc_contract.messages import LabelEvent
from support.agents import AgentProcess
from support.evidence import Evidence
from support.processes import wait_until
from support.scripted_broker import Conduct, ScriptedBroker
from support.signals import noise, write_wav

pytestmark = pytest.mark.slow

RATE_HZ = 48_000


@pytest.fixture
def make_agent(tmp_path: Path) -> Iterator[Callable[[int], AgentProcess]]:
    """Makes agents that replay noise, ten clips a second."""
    made: list[AgentProcess] = []

    def make(port: int) -> AgentProcess:
        folder = tmp_path / "node"
        write_wav(folder / "scene.wav", noise(7.0, RATE_HZ), RATE_HZ)
        tables = {
            "capture": {"source": "files", "files": ["scene.wav"], "loop": True, "speed": 20.0, "clip_s": 2.0},
            "mqtt": {
                "host": "127.0.0.1", "port": port, "keepalive_s": 2, "reconnect_max_s": 0.5,
                "username": "node-1", "password_file": "password",
            },
        }  # fmt: skip
        (folder / "password").write_text("secret\n")
        made.append(AgentProcess(folder, tables))
        return made[-1]

    yield make
    for agent in made:
        agent.kill()


def n_labelled(agent: AgentProcess) -> int:
    return sum(record["message"] == "label" for record in agent.records)


def labels_of(*brokers: ScriptedBroker) -> list[LabelEvent]:
    return [LabelEvent.model_validate_json(payload) for broker in brokers for payload in broker.payloads("label")]


def stopped_with_all_labels(agent: AgentProcess, *brokers: ScriptedBroker) -> Evidence:
    """Wait until everything written so far has come, stop the agent, and give the evidence."""
    evidence = Evidence(agent, RATE_HZ)
    evidence.look()
    wait_until(lambda: evidence.written <= {one.clip_id for one in labels_of(*brokers)}, what="every label")
    assert agent.terminate() == 0
    evidence.look()
    return evidence


@pytest.mark.parametrize("conduct", [Conduct.MUTE, Conduct.REFUSING, Conduct.DYING, Conduct.SILENT])
def test_misbehaving_broker_costs_no_label_and_no_sample(
    conduct: Conduct, make_agent: Callable[[int], AgentProcess]
) -> None:
    with ScriptedBroker(conduct) as broker:
        agent = make_agent(broker.port)
        agent.start()
        broker.wait_for_fault(2)
        n_before = n_labelled(agent)
        agent.wait_for_record("label", n=n_before + 15)  # capture does not wait for the broker
        broker.conduct = Conduct.SOUND
        evidence = stopped_with_all_labels(agent, broker)
        assert evidence.faults(labels_of(broker)) == []
    assert len(evidence.written) >= n_before + 15
    assert (agent.summary["gaps"], agent.summary["labels_waiting"], agent.summary["labels_evicted"]) == (0, 0, 0)


def test_broker_that_misbehaves_between_sound_hours(make_agent: Callable[[int], AgentProcess]) -> None:
    with ScriptedBroker() as broker:
        agent = make_agent(broker.port)
        agent.start()
        agent.wait_for_record("label", n=5)
        for conduct in (Conduct.SILENT, Conduct.DYING, Conduct.REFUSING, Conduct.MUTE):
            n_provoked = broker.n_provoked
            broker.conduct = conduct
            if conduct in {Conduct.REFUSING, Conduct.MUTE}:
                broker.hang_up()
            broker.wait_for_fault(n_provoked + 1)
            broker.conduct = Conduct.SOUND
            agent.wait_for_record("label", n=n_labelled(agent) + 5)
        evidence = stopped_with_all_labels(agent, broker)
        assert evidence.faults(labels_of(broker)) == []
    assert agent.summary["gaps"] == 0


def test_broker_that_is_replaced_by_an_empty_one(make_agent: Callable[[int], AgentProcess]) -> None:
    with ScriptedBroker() as first:
        agent = make_agent(first.port)
        agent.start()
        agent.wait_for_record("label", n=10)
    agent.wait_for_record("label", n=n_labelled(agent) + 10)
    with ScriptedBroker(port=first.port) as second:
        evidence = stopped_with_all_labels(agent, first, second)
        assert evidence.faults(labels_of(first, second)) == []
    assert first.payloads("label")
    assert second.payloads("label")
