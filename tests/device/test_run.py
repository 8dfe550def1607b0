"""The agent as a real process: files in, stored clips and labels out, through brokers that come and go."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.messages import LabelEvent
from sonyc_contract.stored import read_sidecar
from sonyc_device.classification import Classifier
from support.agents import AgentProcess, n_samples
from support.broker import Mosquitto, free_port
from support.embedded_broker import EmbeddedBroker
from support.processes import wait_until
from support.signals import noise, write_wav
from support.subscriber import Subscriber

RATE_HZ = 16_000
STORING = {"mode": "all", "clear": True, "folder": "clips"}


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder with 33.4 s of noise in three files."""
    for n, duration_s in enumerate((12.0, 7.7, 13.7)):
        write_wav(tmp_path / "scenes" / f"{n}.wav", noise(duration_s, RATE_HZ, seed=n), RATE_HZ)
    return tmp_path / "scenes"


@pytest.fixture
def make_agent(tmp_path: Path, scenes: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Makes agents that replay the scenes; they are killed at the end of the test."""
    agents: list[AgentProcess] = []

    def make(port: int, *, name: str = "node", store: dict[str, Any] | None = None, **capture: Any) -> AgentProcess:
        tables = {
            "capture": {"source": "files", "files": [str(scenes)], "rate_hz": 48_000, "speed": 0, **capture},
            "store": store or {},
            "mqtt": {"host": "127.0.0.1", "port": port, "keepalive_s": 5, "reconnect_max_s": 0.3},
        }
        agents.append(AgentProcess(tmp_path / name, tables))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()


def labels_of(subscriber: Subscriber) -> list[LabelEvent]:
    return [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]


@pytest.mark.parametrize("level", ["v5", "pcm"])
def test_every_clip_is_stored_labelled_and_received(
    level: str, make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto, default_bundle: Path
) -> None:
    agent = make_agent(mosquitto.port, store={**STORING, "level": level})
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(4)
    labels = labels_of(subscriber)

    summary = agent.summary
    assert summary["clips_recorded"] == summary["clips_stored"] == summary["labels_published"] == len(labels) == 4
    assert (summary["gaps"], summary["seconds_lost"], summary["seconds_captured"]) == (0, 0.0, pytest.approx(33.4))
    assert {message.topic for message in subscriber.messages} == {"sonyc/v1/node-1/label"}
    assert [label.seq for label in labels] == [1, 2, 3, 4]
    assert [label.sample_index for label in labels] == [0, 480_000, 960_000, 1_440_000]
    assert [label.duration_s for label in labels] == [10, 10, 10, pytest.approx(3.4)]

    classifier = Classifier(read_bundle(default_bundle))
    for label, path in zip(labels, agent.clips, strict=True):
        sidecar = read_sidecar(path)
        assert sidecar is not None
        assert (sidecar.clip_id, sidecar.start_utc) == (label.clip_id, label.start_utc) == (path.stem, label.start_utc)
        assert label.audio.kept
        assert label.audio.n_bytes == path.stat().st_size
        assert n_samples(path) == round(label.duration_s * 48_000)
        found = classifier.score_file(path)
        assert (
            list(found.scores.probabilities)
            == list(label.probabilities.values())
            == list(sidecar.probabilities.values())
        )
        assert found.scores.detections == label.detections


def test_mode_none_writes_no_audio(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    agent = make_agent(mosquitto.port, store={"folder": "clips"})
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(4)
    assert not (agent.folder / "clips").exists()
    written = {str(path.relative_to(agent.folder)) for path in agent.folder.rglob("*") if path.is_file()}
    assert written - {"state/outbox.sqlite-wal", "state/outbox.sqlite-shm"} == {
        "node.toml", "agent.log", "state/outbox.sqlite", "state/outbox.sqlite.ballast",
    }  # fmt: skip
    for label in labels_of(subscriber):
        assert (label.audio.kept, label.audio.reason) == (False, "mode-none")
        assert label.audio.n_bytes > 10_000


def test_raw_clips_are_classified_without_the_codec(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port)
    agent.tables = {**agent.tables, "classify": {"what": "pcm"}}
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(4)
    assert {(label.classified, label.head, label.audio.n_bytes) for label in labels_of(subscriber)} == {
        ("pcm", "pcm", 0)
    }


def test_old_broker_gets_the_labels(make_agent: Callable[..., AgentProcess]) -> None:
    with EmbeddedBroker() as broker, Subscriber(broker.port, "sonyc/v1/+/label") as subscriber:
        agent = make_agent(broker.port)
        assert agent.run() == 0
        subscriber.wait_for(4)
        assert len({label.seq for label in labels_of(subscriber)}) == 4


def test_without_a_broker_labels_wait_for_the_next_run(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(free_port())
    assert agent.run("--drain-timeout", "0.5") == 3
    assert (agent.summary["labels_written"], agent.summary["labels_waiting"]) == (4, 4)
    assert "not reached" in agent.summary["broker"]
    assert agent.summary["broker_failures"] >= 1
    agent.tables = {**agent.tables, "mqtt": {"host": "127.0.0.1", "port": mosquitto.port}}
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(8)
    labels = labels_of(subscriber)
    assert [label.seq for label in labels] == list(range(1, 9))
    assert len({label.session for label in labels}) == 1
    assert [label.run for label in labels].count(labels[0].run) == 4


def test_broker_that_comes_later_gets_everything(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        mosquitto.stop()
        agent = make_agent(mosquitto.port)
        agent.start()
        agent.wait_for_record("label", n=4)
        mosquitto.start()
        assert agent.wait() == 0
        subscriber.wait_for(4)
        assert sorted(label.seq for label in labels_of(subscriber)) == [1, 2, 3, 4]


def test_broker_that_dies_in_between_loses_nothing(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        agent = make_agent(mosquitto.port, speed=20, loop=True, clip_s=2.0)
        agent.start()
        for n in (3, 12, 25):
            subscriber.wait_for(n)
            mosquitto.stop()
            agent.wait_for_record("label", n=n + 6)
            mosquitto.start()
        subscriber.wait_for(35)
        assert agent.terminate() == 0
        written = agent.summary["labels_written"]
        wait_until(lambda: len({label.seq for label in labels_of(subscriber)}) >= written, what="all labels")
    assert agent.summary["labels_waiting"] == 0
    assert {label.seq for label in labels_of(subscriber)} == set(range(1, written + 1))


def test_killed_agent_loses_no_label_and_repeats_no_number(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port, store=STORING, speed=30, loop=True, clip_s=2.0)
    left_behind: set[bytes] = set()
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        for n in (5, 11, 20):
            agent.start()
            subscriber.wait_for(n)
            mosquitto.stop()
            n_labelled = sum(record["message"] == "label" for record in agent.records)
            agent.wait_for_record("label", n=n_labelled + 3)
            agent.kill()
            left_behind |= waiting_payloads(agent)
            mosquitto.start()
        agent.tables = {**agent.tables, "capture": {**agent.tables["capture"], "loop": False, "speed": 0}}
        assert agent.run() == 0
        wait_until(lambda: left_behind <= set(subscriber.payloads), what="the labels that were left behind")
        written = {record["clip_id"] for record in agent.records if record["message"] == "label"}
        wait_until(lambda: written <= {label.clip_id for label in labels_of(subscriber)}, what="every written label")
    assert len(left_behind) >= 6

    by_seq: dict[int, LabelEvent] = {}
    for label in labels_of(subscriber):
        assert by_seq.setdefault(label.seq, label) == label
    ordered = [by_seq[seq] for seq in sorted(by_seq)]
    # A number that was reserved and not used may be missing, one for each kill.
    assert len(ordered) >= ordered[-1].seq - 3
    assert len({label.session for label in ordered}) == 1
    assert len({label.run for label in ordered}) == 4
    for one, next_one in itertools.pairwise(ordered):
        assert one.run != next_one.run or one.sample_index < next_one.sample_index
    stored = {path.stem: path for path in agent.clips}
    for label in ordered:
        assert n_samples(stored[label.clip_id]) == round(label.duration_s * 48_000)


def waiting_payloads(agent: AgentProcess) -> set[bytes]:
    """What a dead agent's outbox holds, read as its next run will."""
    connection = sqlite3.connect(agent.folder / "state" / "outbox.sqlite")
    rows = connection.execute("SELECT payload FROM message WHERE kind = 'label'").fetchall()
    connection.close()
    return {payload for (payload,) in rows}


def test_corrupt_outbox_is_set_aside_and_the_agent_runs(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port)
    (agent.folder / "state").mkdir(parents=True)
    (agent.folder / "state" / "outbox.sqlite").write_bytes(b"not a database" * 1000)
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(4)
    (kept,) = (agent.folder / "state").glob("outbox.sqlite.corrupt-*")
    assert kept.read_bytes() == b"not a database" * 1000
    assert any("is corrupt" in record["message"] for record in agent.records)


def test_full_outbox_evicts_the_oldest_labels(make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto) -> None:
    agent = make_agent(free_port())
    agent.tables = {**agent.tables, "outbox": {"max_rows": 3}}
    assert agent.run("--drain-timeout", "0") == 3
    assert (agent.summary["labels_waiting"], agent.summary["labels_evicted"]) == (3, 1)
    agent.tables = {**agent.tables, "mqtt": {"host": "127.0.0.1", "port": mosquitto.port}}
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        assert agent.run() == 0
        subscriber.wait_for(7)
    assert [label.seq for label in labels_of(subscriber)] == [2, 3, 4, 5, 6, 7, 8]


def test_bad_files_are_left_out(make_agent: Callable[..., AgentProcess], scenes: Path, mosquitto: Mosquitto) -> None:
    (scenes / "0-empty.wav").touch()
    (scenes / "1-text.wav").write_text("no audio")
    agent = make_agent(mosquitto.port)
    assert agent.run() == 3
    assert (agent.summary["clips_recorded"], agent.summary["files_refused"]) == (4, 2)
    assert agent.summary["seconds_captured"] == pytest.approx(33.4)


def test_folder_that_cannot_be_written_costs_no_label_but_degrades(
    make_agent: Callable[..., AgentProcess], scenes: Path, mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port, store={**STORING, "folder": str(scenes / "0.wav")})
    assert agent.run() == 3
    summary = agent.summary
    assert (summary["labels_published"], summary["clips_stored"], summary["clips_not_stored"]) == (4, 0, 4)


def test_sigterm_finishes_the_clip_in_work_within_five_seconds(
    make_agent: Callable[..., AgentProcess], mosquitto: Mosquitto
) -> None:
    agent = make_agent(mosquitto.port, store=STORING, speed=1.0)
    with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
        agent.start()
        agent.wait_for_record("recording")  # the first second has come
        started_s = time.monotonic()
        assert agent.terminate() == 0
        assert time.monotonic() - started_s < 5
        subscriber.wait_for(1)
    (label,) = labels_of(subscriber)
    (clip,) = agent.clips
    assert 1.0 <= label.duration_s < 10
    assert n_samples(clip) == round(label.duration_s * 48_000)
    assert agent.summary["labels_published"] == 1


def test_second_agent_with_the_same_state_is_refused(make_agent: Callable[..., AgentProcess]) -> None:
    first = make_agent(free_port(), speed=1.0)
    first.start()
    wait_until((first.folder / "state" / "outbox.sqlite").exists, what="the first agent")
    second = make_agent(free_port(), speed=1.0)
    assert second.run() == 1
    assert "another agent uses it" in second.log.read_text()
    assert first.process.poll() is None


@pytest.mark.parametrize(
    ("tables", "code", "message"),
    [
        ({"capture": {"sauce": "files"}}, 2, "unknown key 'capture.sauce'"),
        ({"store": {"mode": "all"}}, 2, "set clear = true"),
        ({"store": {"storage_rate_hz": 16_000}}, 1, "stored at 48000 Hz, but storage_rate_hz = 16000"),
        ({"classify": {"bundle": "nowhere.bundle"}}, 1, "nowhere.bundle: cannot be read"),
        ({"capture": {"source": "files", "files": ["."]}}, 1, "holds no audio file"),
        ({"capture": {"source": "files", "files": ["gone.wav"]}}, 1, "none of the files to replay is usable"),
        (
            {"mqtt": {"username": "n", "password_file": "gone"}},
            2,
            "gone: the broker's password cannot be read: No such",
        ),
        (
            {"capture": {"device": "no such microphone", "give_up_after_s": 1.0}},
            1,
            "cannot record from 'no such microphone' at 48000 Hz",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    tmp_path: Path, tables: dict[str, Any], code: int, message: str
) -> None:
    agent = AgentProcess(tmp_path / "node", tables)
    assert agent.run() == code
    plain = [line for line in agent.log.read_text().splitlines() if line.startswith("sonyc-device: ")]
    assert len(plain) == 1
    assert message in plain[0]
    assert "Traceback" not in agent.log.read_text()
    assert not list((tmp_path / "node").rglob("*.part"))
