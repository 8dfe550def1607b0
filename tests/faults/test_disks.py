"""Disks that are full, become full, or can only be read, under clips and outbox alike: labels are kept and arrive.

Quota, reserve, missing inodes and retention are in tests/device/storing; the start on a full disk with a quota in
tests/device/test_storing_run.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonyc_contract.messages import AudioReason, LabelEvent
from support.agents import AgentProcess
from support.broker import Mosquitto
from support.disks import SmallDisk, small_disk
from support.evidence import Evidence
from support.failing_disk import FailingDisk, failing_disk
from support.processes import wait_until
from support.signals import noise, write_wav
from support.subscriber import Subscriber

pytestmark = pytest.mark.slow

RATE_HZ = 48_000
SIZE_BYTES = 12_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size_bytes=SIZE_BYTES) as opened:
        yield opened


@pytest.fixture
def card(tmp_path: Path) -> Iterator[FailingDisk]:
    with failing_disk(tmp_path / "card", size_bytes=2 * SIZE_BYTES) as opened:
        yield opened


@pytest.fixture
def agent_on(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Callable[[Path], AgentProcess]]:
    """Makes agents, ten clips a second, whose clips and state lie in a folder; their log does not."""
    made: list[AgentProcess] = []

    def make(folder: Path) -> AgentProcess:
        scene = write_wav(tmp_path / "scene.wav", noise(7.0, RATE_HZ), RATE_HZ)
        tables = {
            "state_folder": str(folder / "state"),
            "capture": {"source": "files", "files": [str(scene)], "loop": True, "speed": 20.0, "clip_s": 2.0},
            "store": {"mode": "all", "clear": True, "folder": str(folder / "clips"), "reserve_bytes": 1_000_000},
            "mqtt": {"host": "127.0.0.1", "port": mosquitto.port, "reconnect_max_s": 0.5},
        }
        made.append(AgentProcess(tmp_path / "node", tables))
        return made[-1]

    yield make
    for agent in made:
        agent.kill()


def n_labelled(agent: AgentProcess) -> int:
    return sum(record["message"] == "label" for record in agent.records)


def labels_of(subscriber: Subscriber) -> list[LabelEvent]:
    return [
        LabelEvent.model_validate_json(message.payload)
        for message in list(subscriber.messages)
        if message.topic.endswith("/label")
    ]


def received_all(agent: AgentProcess, subscriber: Subscriber, *, n_before: int = 0) -> list[LabelEvent]:
    """Stop the agent, and wait until every label that its log names, but for the first ones, has come."""
    assert agent.terminate() == 0
    written = {record["clip_id"] for record in [one for one in agent.records if one["message"] == "label"][n_before:]}
    wait_until(lambda: written <= {one.clip_id for one in labels_of(subscriber)}, what="every label")
    return labels_of(subscriber)


def faults_of(labels: list[LabelEvent], folder: Path) -> list[str]:
    """What is wrong with labels, and with the clips that are still in a folder: old ones may have made room."""
    there = {path.stem for path in (folder / "clips").rglob("*.mp3")}
    looked_at = [one for one in labels if not one.audio.kept or one.clip_id in there]
    return Evidence(AgentProcess(folder, {}), RATE_HZ).faults(looked_at)


def n_kept(subscriber: Subscriber) -> int:
    return sum(label.audio.kept for label in labels_of(subscriber))


def test_disk_that_becomes_full_costs_no_label(
    agent_on: Callable[[Path], AgentProcess], disk: SmallDisk, mosquitto: Mosquitto
) -> None:
    agent = agent_on(disk.folder)
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
        agent.start()
        agent.wait_for_record("label", n=10)
        mosquitto.stop()
        in_the_way = disk.fill()
        agent.wait_for_record("label", n=n_labelled(agent) + 40)  # it goes on, without a broker too
        mosquitto.start()
        agent.wait_for_record("label", n=n_labelled(agent) + 10)
        in_the_way.unlink()
        n_before = n_kept(subscriber)
        wait_until(lambda: n_kept(subscriber) > n_before + 5, what="clips that are kept again")
        labels = received_all(agent, subscriber)
    assert faults_of(labels, disk.folder) == []
    assert len({label.clip_id for label in labels}) == agent.summary["labels_written"]
    assert (agent.summary["labels_waiting"], agent.summary["labels_lost"], agent.summary["gaps"]) == (0, 0, 0)


@pytest.mark.parametrize("has_run", [False, True])
def test_full_disk_at_the_start_costs_no_label(
    has_run: bool, agent_on: Callable[[Path], AgentProcess], disk: SmallDisk, mosquitto: Mosquitto
) -> None:
    agent = agent_on(disk.folder)
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
        if has_run:
            mosquitto.stop()
            agent.start()
            agent.wait_for_record("label", n=10)
            assert agent.terminate() == 0
            assert agent.summary["labels_waiting"] >= 10
            mosquitto.start()
        in_the_way = disk.fill()
        n_before = n_labelled(agent)
        agent.start()
        agent.wait_for_record("label", n=n_before + 20)
        in_the_way.unlink()
        wait_until(lambda: any(one.audio.kept for one in labels_of(subscriber)[-5:]), what="clips that are kept again")
        labels = received_all(agent, subscriber)
    assert faults_of(labels, disk.folder) == []
    assert agent.summary["labels_lost"] == 0


def test_card_that_turns_read_only_costs_no_label(
    agent_on: Callable[[Path], AgentProcess], card: FailingDisk, mosquitto: Mosquitto
) -> None:
    agent = agent_on(card.folder)
    with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
        agent.start()
        agent.wait_for_record("label", n=10)
        card.fail()
        agent.wait_for_record("label", n=n_labelled(agent) + 20)
        assert agent.terminate() == 0
        assert agent.summary["labels_lost"] == 0
        n_before = n_labelled(agent)
        agent.start()  # the card can still only be read
        agent.wait_for_record("label", n=n_before + 20)
        received_all(agent, subscriber, n_before=n_before)
        card.repair()
        agent.start()
        n_before_kept = n_kept(subscriber)
        wait_until(lambda: n_kept(subscriber) > n_before_kept + 5, what="clips that are kept again")
        labels = received_all(agent, subscriber, n_before=n_before)
    assert faults_of(labels, card.folder) == []
    assert (agent.summary["labels_waiting"], agent.summary["labels_lost"]) == (0, 0)
    assert len({label.clip_id for label in labels}) == n_labelled(agent)
    assert {label.audio.reason for label in labels} >= {AudioReason.MODE_ALL, AudioReason.WRITE_FAILED}


CORRUPTIONS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "halved": lambda data: data[: len(data) // 2],
    "zeroed": lambda data: bytes(len(data)),
    "other": lambda data: bytes(byte ^ 0x5A for byte in data),
    "grown": lambda data: data + b"\xff" * 5_000,
    "scratched": lambda data: data[:200] + b"\xff" * 2_000 + data[2_200:],
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_every_file_of_the_state_may_be_corrupt(
    corruption: str, agent_on: Callable[[Path], AgentProcess], tmp_path: Path, mosquitto: Mosquitto
) -> None:
    agent = agent_on(tmp_path)
    mosquitto.stop()
    agent.start()
    agent.wait_for_record("label", n=10)
    assert agent.terminate() == 0
    mosquitto.start()
    state = tmp_path / "state"
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
    assert "outbox.sqlite" in before
    for name in sorted(before):
        for other, data in before.items():
            (state / other).write_bytes(data)
        (state / name).write_bytes(CORRUPTIONS[corruption](before[name]))
        with Subscriber(mosquitto.port, "sonyc/#") as subscriber:
            n_before = n_labelled(agent)
            agent.start()
            agent.wait_for_record("label", n=n_before + 5)
            received_all(agent, subscriber, n_before=n_before)
    assert "Traceback" not in agent.log.read_text()


def test_unacknowledged_labels_of_a_corrupt_outbox_are_kept_for_whoever_can_read_them(
    agent_on: Callable[[Path], AgentProcess], tmp_path: Path, mosquitto: Mosquitto
) -> None:
    agent = agent_on(tmp_path)
    mosquitto.stop()
    agent.start()
    agent.wait_for_record("label", n=20)
    assert agent.terminate() == 0
    outbox = tmp_path / "state" / "outbox.sqlite"
    data = bytearray(outbox.read_bytes())
    data[2 * 4096 : 2 * 4096 + 64] = bytes(64)  # the head of one page
    outbox.write_bytes(data)
    agent.start()
    agent.wait_for_record("label", n=n_labelled(agent) + 3)
    assert agent.terminate() == 0
    (kept,) = outbox.parent.glob("outbox.sqlite.corrupt-*[0-9a-f]")
    assert kept.read_bytes() == bytes(data)
