"""What a running agent says and hears over MQTT: state, health, commands, TLS, and that README says the same."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.commands import Acknowledgement
from sonyc_contract.messages import LabelEvent, Message, MinuteLevel
from sonyc_contract.reports import Completeness, NodeHealth, NodeState, Presence
from sonyc_device.messaging.books import CAPTURED, Books, Span
from sonyc_device.messaging.outbox import Bounds, Outbox
from sonyc_device.messaging.tls import TlsFiles, tls_context
from support.agents import AgentProcess
from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.processes import wait_until
from support.signals import noise, write_wav
from support.subscriber import Subscriber
from support.system_packages import require_system

RATE_HZ = 16_000
NODE = "sonyc/v1/node-1"
MESSAGES: dict[str, type[Message]] = {
    "label": LabelEvent,
    "state": NodeState,
    "health": NodeHealth,
    "completeness": Completeness,
    "spl": MinuteLevel,
}


class Ear(Subscriber):
    """A subscriber that sorts what it hears by topic."""

    def heard(self, topic: str) -> list[Any]:
        return [json.loads(message.payload) for message in self._of(topic) if message.payload]

    def wait(self, topic: str, n: int = 1) -> list[Any]:
        wait_until(lambda: len(self.heard(topic)) >= n, what=f"{n} message(s) on {topic}", timeout_s=30)
        return self.heard(topic)

    def last_health(self) -> NodeHealth:
        return NodeHealth.model_validate(self.heard("health")[-1])

    def _of(self, topic: str) -> list[Any]:
        return [message for message in list(self.messages) if message.topic == f"{NODE}/{topic}"]


def booked_s(health: NodeHealth) -> float:
    """Add up what its hours say was captured."""
    return sum(hour.captured_s for hour in health.hours)


@pytest.fixture
def make_agent(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Makes agents that replay noise without end, ten clips a second; they are killed at the end of the test."""
    scene = write_wav(tmp_path / "scene.wav", noise(8.0, RATE_HZ), RATE_HZ)
    agents: list[AgentProcess] = []

    def make(port: int, **tables: dict[str, Any]) -> AgentProcess:
        base: dict[str, dict[str, Any]] = {
            "capture": {"source": "files", "files": [str(scene)], "loop": True, "speed": 20.0, "clip_s": 2.0},
            "mqtt": {"host": "127.0.0.1", "port": port, "keepalive_s": 5, "reconnect_max_s": 0.5},
            "health": {"every_s": 1.0},
        }
        merged = {name: {**base.get(name, {}), **tables.get(name, {})} for name in {*base, *tables}}
        agents.append(AgentProcess(tmp_path / "node", merged))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()


def test_node_says_that_it_is_there_and_that_it_left(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port)
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        agent.start()
        ear.wait("label")
        assert agent.terminate() == 0
        birth, goodbye = (NodeState.model_validate(one) for one in ear.wait("state", 2))
        agent.start()
        ear.wait("state", 3)
        agent.kill()
        second, will = (NodeState.model_validate(one) for one in ear.wait("state", 4)[2:])
    assert [one.state for one in (birth, goodbye, second, will)] == [
        Presence.ONLINE, Presence.OFFLINE, Presence.ONLINE, Presence.OFFLINE,
    ]  # fmt: skip
    assert (birth.reason, goodbye.reason, will.reason) == ("connected", "stopped", "connection lost")
    assert birth.connection == goodbye.connection != second.connection == will.connection
    assert birth.session == second.session
    assert birth.run == goodbye.run != second.run == will.run
    with Ear(mosquitto.port, f"{NODE}/state", client_id="later") as later:
        assert later.wait("state") == [json.loads(will.model_dump_json(by_alias=True))]
        assert later.messages[0].retain


@pytest.mark.parametrize("capture", [{}, {"files_start": "2030-06-01T11:59:50Z"}], ids=["now", "over-an-hour's-end"])
def test_health_says_how_the_node_is(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto, capture: dict[str, Any]
) -> None:
    agent = make_agent(mosquitto.port, capture=capture, store={"mode": "all", "clear": True, "folder": "clips"})
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        agent.start()
        ear.wait("label", 20)
        n = len(ear.heard("health"))
        health = NodeHealth.model_validate(ear.wait("health", n + 2)[-1])
        labels = [LabelEvent.model_validate(one) for one in ear.heard("label")]
        # The books are written a moment later, in which twenty seconds of sound go by for each one here.
        wait_until(
            lambda: booked_s(ear.last_health()) >= health.capture.captured_s, what="the hours to hold all", timeout_s=30
        )
        told = [NodeHealth.model_validate(one) for one in ear.heard("health")]
    assert (health.node, health.session, health.run) == ("node-1", labels[0].session, labels[0].run)
    assert (health.broker.connected, health.broker.state, health.broker.refused) == (True, "connected", ())
    assert health.labels.written >= 20
    assert health.labels.published >= 20
    assert health.capture.captured_s == pytest.approx(2.0 * health.labels.written, abs=4.0)
    assert health.capture.lost_s == 0
    assert 20 <= health.store.clips <= health.store.stored
    assert health.store.n_bytes > 20 * 1_000
    assert health.bundle == labels[0].bundle
    assert health.settings.config_hash == labels[0].config_hash
    assert health.runtime.startswith("ai-edge-litert ")
    assert health.machine.memory_bytes is not None
    assert 40e6 < health.machine.memory_bytes < 400e6
    assert all(booked_s(one) <= one.capture.captured_s for one in told)
    assert sum(hour.published_s for hour in told[-1].hours) > 30.0
    if capture:
        assert [hour.start_utc.hour for hour in told[-1].hours] == [11, 12]
    assert not [message for message in ear.messages if message.topic.endswith("/health") and message.retain]


def test_health_of_a_time_without_a_broker_says_so(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port)
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        mosquitto.stop()
        agent.start()
        agent.wait_for_record("label", n=30)
        mosquitto.start()
        found = [NodeHealth.model_validate(one) for one in ear.wait("health", 2)]
        alone = [one for one in found if not one.broker.connected]
    assert alone
    assert "not reached: " in alone[-1].broker.state
    assert alone[-1].broker.failures >= 1
    assert alone[-1].queues.messages > 5
    assert alone[-1].queues.oldest_s is not None
    assert (alone[-1].queues.oldest_s, alone[-1].queues.in_memory) > (0.0, -1)


def test_level_is_changed_between_two_clips_and_outlives_a_restart(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port, store={"level": "v3"})
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        agent.start()
        ear.wait("label", 5)
        ear.publish(f"{NODE}/cmd/set-level/first", b'{"level": "v9"}')
        (answer,) = (Acknowledgement.model_validate(one) for one in ear.wait("cmd/set-level/first/ack"))
        ear.wait("label", len(ear.heard("label")) + 10)
        ear.publish(f"{NODE}/cmd/set-level/second", b'{"level": "v10"}')
        (refusal,) = (Acknowledgement.model_validate(one) for one in ear.wait("cmd/set-level/second/ack"))
        assert agent.terminate() == 0
        agent.start()
        n = len(ear.heard("label"))
        ear.wait("label", n + 3)
        assert agent.terminate() == 0
        labels = sorted((LabelEvent.model_validate(one) for one in ear.heard("label")), key=lambda one: one.seq)
        states = [NodeState.model_validate(one) for one in ear.heard("state")]
    assert (answer.result, answer.settings.level, answer.settings.overridden) == ("applied", "v9", ("store.level",))
    assert (refusal.result, refusal.settings.config_hash) == ("refused", answer.settings.config_hash)
    changed = next(n for n, label in enumerate(labels) if label.level == "v9")
    before, after = labels[:changed], labels[changed:]
    assert len(before) >= 5
    assert len({label.run for label in after}) == 2
    assert {(label.level, label.head, label.config_hash) for label in before} == {("v3", "v3", before[0].config_hash)}
    assert {(label.level, label.head, label.config_hash) for label in after} == {
        ("v9", "v9", answer.settings.config_hash)
    }
    assert before[0].config_hash != answer.settings.config_hash
    # Announced when it changed, and at once after the restart.
    hashes = [state.settings.config_hash for state in states if state.state is Presence.ONLINE]
    assert hashes == [before[0].config_hash, answer.settings.config_hash, answer.settings.config_hash]


def test_retained_commands_reach_a_node_that_was_away_once(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port)
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        ear.publish(f"{NODE}/cmd/set-thresholds/t1", b'{"thresholds": {"dog": 0.01}}', retain=True)
        ear.publish(f"{NODE}/cmd/status/s1", b"{}", retain=True)
        agent.start()
        ear.wait("cmd/set-thresholds/t1/ack")
        ear.wait("cmd/status/s1/ack")
        n = len(ear.heard("label"))
        labels = [LabelEvent.model_validate(one) for one in ear.wait("label", n + 5)[-3:]]
        assert agent.terminate() == 0
        agent.start()
        wait_until(lambda: len({label["run"] for label in ear.heard("label")}) == 2, what="labels of the second run")
        assert agent.terminate() == 0
        assert len(ear.heard("cmd/set-thresholds/t1/ack")) == 1
    assert {label.thresholds["dog"] for label in labels} == {0.01}
    assert all("dog" in label.detections for label in labels if label.probabilities["dog"] >= 0.01)
    with Ear(mosquitto.port, f"{NODE}/cmd/#", client_id="later") as later:
        wait_until(lambda: len(later.messages) >= 2, what="the answers")
        kept = {message.topic.removeprefix(f"{NODE}/cmd/") for message in later.messages}
    assert kept == {"set-thresholds/t1/ack", "status/s1/ack"}, "the commands are cleared, the answers stay"


def test_commands_are_not_heard_where_they_are_switched_off(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port, commands={"enabled": False})
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        ear.publish(f"{NODE}/cmd/set-level/1", b'{"level": "v9"}', retain=True)
        agent.start()
        ear.wait("health", 2)
        ear.publish(f"{NODE}/cmd/set-level/2", b'{"level": "v9"}')
        ear.wait("health", 4)
        assert agent.terminate() == 0
        assert ear.heard("cmd/set-level/1/ack") == ear.heard("cmd/set-level/2/ack") == []
        assert {label["level"] for label in ear.heard("label")} == {"v5"}


@pytest.fixture
def documented_broker(tmp_path: Path, repository: Path) -> Iterator[tuple[Mosquitto, Authority]]:
    """A mosquitto with the settings and the rules that docs/broker.md gives."""
    require_system("mosquitto")
    authority, folder = Authority(tmp_path / "certificates", "ca"), tmp_path / "certificates"
    authority.issue("broker", host="127.0.0.1")
    blocks = re.findall(r"^```\n# (\S+)\n(.*?)^```", (repository / "docs" / "broker.md").read_text(), re.M | re.S)
    (_, settings), (rules_path, rules) = blocks
    (folder / "acl").write_text(rules)
    (folder / "acl").chmod(0o600)
    lines = settings.replace(str(Path(rules_path).parent), str(folder)).splitlines()
    taken_care_of = (
        "listener",
        "persistence",
        "max_queued_messages",
    )  # a port of the test's own, a folder for its state
    broker = Mosquitto(tmp_path / "broker", [line for line in lines if not line.startswith(taken_care_of)])
    broker.start()
    yield broker, authority
    broker.stop()


def test_fleet_over_tls_as_it_is_documented(
    make_agent: Callable[..., AgentProcess], documented_broker: tuple[Mosquitto, Authority]
) -> None:
    broker, authority = documented_broker
    own, collector = authority.issue("node-1"), authority.issue("collector")
    files = {"ca_file": authority.certificate, "certificate_file": own.certificate, "key_file": own.key}
    tls = {"enabled": True, **{key: str(path) for key, path in files.items()}}
    agent = make_agent(broker.port, mqtt={"tls": tls})
    context = tls_context(TlsFiles(authority.certificate, collector.certificate, collector.key))
    with Ear(broker.port, f"{NODE}/#", tls=context) as ear:
        agent.start()
        ear.wait("label", 5)
        ear.publish(f"{NODE}/cmd/set-level/1", b'{"level": "v9"}')
        (answer,) = ear.wait("cmd/set-level/1/ack")
        health = NodeHealth.model_validate(ear.wait("health")[-1])
        assert agent.terminate() == 0
        assert [one["state"] for one in ear.wait("state", 3)] == ["online", "online", "offline"]
    assert answer["result"] == "applied"
    assert health.broker.certificate_expires_utc is not None
    assert health.broker.refused == ()
    assert "u'node-1'" in broker.log.read_text()
    assert agent.summary["labels_waiting"] == 0


@pytest.mark.parametrize("key", ["ca_file", "certificate_file", "key_file"])
def test_missing_file_for_tls_is_refused_at_the_start(
    key: str, make_agent: Callable[..., AgentProcess], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "certificates")
    own = authority.issue("node-1")
    files = {"ca_file": authority.certificate, "certificate_file": own.certificate, "key_file": own.key}
    files[key].unlink()
    agent = make_agent(
        free_port(), mqtt={"tls": {"enabled": True, **{name: str(path) for name, path in files.items()}}}
    )
    assert agent.run() == 2
    last = agent.log.read_text().splitlines()[-1]
    assert last.startswith(f"sonyc-device: {files[key]}: ")
    assert "cannot be read: No such file" in last


def test_topics_are_those_that_readme_names(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto, repository: Path
) -> None:
    readme = (repository / "README.md").read_text()
    named = set(re.findall(r"^sonyc/v1/node-0001/(\S+) +\{", readme, flags=re.MULTILINE))
    agent = make_agent(mosquitto.port, level={"enabled": True}, health={"every_s": 5.0})
    state = agent.folder / "state"
    state.mkdir(parents=True)
    books = Books("ab" * 8)
    outbox = Outbox(state / "outbox.sqlite", Bounds(10, 10_000, 1e9), books=books, now_s=lambda: 1.7e9)
    books.add(Span("ab" * 8, 0.0, 1.7e9, True, 3_000.0), CAPTURED)  # hours that are not reported yet
    outbox.write(lambda _connection: None)
    outbox.close()
    with Ear(mosquitto.port, f"{NODE}/#") as ear:
        agent.start()
        ear.wait("state")
        ear.publish(f"{NODE}/cmd/status/42", b"{}")
        for topic in ("cmd/status/42/ack", "label", "health", "spl"):
            ear.wait(topic)
        assert agent.terminate() == 0
        ear.wait("completeness")
        topics = {message.topic.removeprefix(f"{NODE}/") for message in ear.messages}
        for topic, message in MESSAGES.items():
            for document in ear.heard(topic):
                message.model_validate(document)
    assert named == topics - {"cmd/status/42"}
