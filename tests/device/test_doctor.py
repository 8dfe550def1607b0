"""`doctor` tries things out; here against real brokers, a real sound server and running agents."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import ClockQuality
from sonyc_device.cli import main
from sonyc_device.config import NodeConfig
from sonyc_device.doctor import examine, judged_speed
from sonyc_device.keeping_up import Speed
from sonyc_device.preflight import Finding, State
from support.agents import AgentProcess, write_toml
from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.processes import wait_until
from support.pulse import PulseSource
from support.scripted_broker import Conduct, ScriptedBroker
from support.signals import noise, write_wav

Examine = Callable[..., dict[str, Finding]]


class SetClock:
    """A clock of any quality at any time; the machine's where no year is said."""

    def __init__(self, quality: ClockQuality = ClockQuality.SYNCED, year: int | None = 2027) -> None:
        self._quality = quality
        self._year = year

    def utc(self) -> datetime:
        return datetime.now(UTC) if self._year is None else datetime(self._year, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0

    def quality(self) -> ClockQuality:
        return self._quality


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "scene.wav", noise(2.0, 16_000), 16_000)


@pytest.fixture
def findings_of(tmp_path: Path, scene: Path) -> Examine:
    """Examines a node; gives findings by subject."""

    def run(clock: SetClock | None = None, **tables: Any) -> dict[str, Finding]:
        files = {"capture": {"source": "files", "files": [str(scene)]}}
        path = write_toml(tmp_path / "node.toml", {"node_id": "node-1", "state_folder": "state", **files, **tables})
        return {finding.subject: finding for finding in examine(path, clock=clock or SetClock())}

    return run


def mqtt(broker: Mosquitto | ScriptedBroker, **more: Any) -> dict[str, Any]:
    return {"host": broker.host, "port": broker.port, **more}


def test_node_that_works(findings_of: Examine, mosquitto: Mosquitto, pulse_source: PulseSource, tmp_path: Path) -> None:
    pulse_source.play(write_wav(tmp_path / "street.wav", noise(30.0, 48_000), 48_000))
    findings = findings_of(
        capture={"device": "pulse"},
        mqtt=mqtt(mosquitto),
        store={"mode": "all", "clear": True, "folder": "clips", "max_bytes": 1_000_000, "reserve_bytes": 0},
    )
    assert {finding.state for finding in findings.values()} == {State.OK}, findings
    assert list(findings) == [
        "agent", "configuration", "bundle", "self-test", "level", "storage rate", "microphone", "state folder",
        "store folder", "clips", "broker", "sound", "speed", "clock", "room", "quota", "publishing",
    ]  # fmt: skip
    assert findings["sound"].detail.startswith("144000 samples, -2")
    assert "% of the time" in findings["speed"].detail
    assert "acknowledged a message on sonyc/v1/node-1/doctor" in findings["publishing"].detail


def test_silent_microphone_is_degraded(findings_of: Examine, pulse_source: PulseSource) -> None:
    assert pulse_source.name  # nothing is played
    sound = findings_of(capture={"device": "pulse"})["sound"]
    assert (sound.state, sound.way_out) == (State.WARNING, "is the microphone plugged in, powered and not muted?")


def test_absent_microphone_is_a_failure(findings_of: Examine) -> None:
    findings = findings_of(capture={"device": "no such thing"})
    assert findings["sound"].state is State.FAILURE
    assert findings["sound"].way_out == "sonyc-device devices lists what there is"


@pytest.mark.parametrize(
    ("clock", "state"),
    [
        (SetClock(), State.OK),
        (SetClock(ClockQuality.HOLDOVER), State.OK),
        (SetClock(ClockQuality.UNSET), State.WARNING),
        (SetClock(year=1970), State.WARNING),
    ],
)
def test_clock(clock: SetClock, state: State, findings_of: Examine) -> None:
    finding = findings_of(clock)["clock"]
    assert finding.state is state
    assert ("set-ntp" in finding.way_out) == (state is State.WARNING)


def test_little_room_is_degraded(findings_of: Examine) -> None:
    store = {"mode": "all", "clear": True, "folder": "clips", "max_bytes": 10**15, "reserve_bytes": 10**15}
    findings = findings_of(store=store)
    assert findings["room"].state is State.WARNING
    assert "make room for 1000000.0 GB" in findings["room"].way_out
    assert findings["quota"].way_out == "set store.max_bytes to what the disk has"


@pytest.mark.parametrize(("took_s", "state"), [(0.1, State.OK), (6.0, State.WARNING), (9.0, State.FAILURE)])
def test_speed(took_s: float, state: State) -> None:
    finding = judged_speed(Speed(10.0, took_s, 1.0), NodeConfig(node_id="n"))
    assert finding.state is state
    assert f"10 s of audio take {took_s:.3g} s, {10 * took_s:.1f} % of the time" in finding.detail


def test_bundle_that_cannot_be_measured(findings_of: Examine) -> None:
    assert findings_of(classify={"bundle": "gone.bundle"})["speed"].state is State.FAILURE


@pytest.mark.parametrize(
    ("conduct", "said"),
    [
        (Conduct.REFUSING, "refused"),
        (Conduct.SILENT, "no acknowledgement in 5 s"),
        (Conduct.DYING, "connection lost"),
    ],
)
def test_broker_that_does_not_take_labels_is_degraded(conduct: Conduct, said: str, findings_of: Examine) -> None:
    with ScriptedBroker(conduct) as broker:
        finding = findings_of(mqtt=mqtt(broker))["publishing"]
    assert finding.state is State.WARNING
    assert said in finding.detail


def test_broker_that_permits_another_topic_only_is_degraded(findings_of: Examine, tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic readwrite other/#\n")
    broker = Mosquitto(tmp_path / "mosquitto", ["allow_anonymous true", f"acl_file {tmp_path / 'acl'}"])
    broker.start()
    try:
        finding = findings_of(mqtt=mqtt(broker))["publishing"]
    finally:
        broker.stop()
    assert finding.state is State.WARNING
    assert "permit node-1 to write to sonyc/v1/node-1/#" in finding.way_out


@pytest.mark.parametrize(
    ("days", "state", "way_out"),
    [
        (400, State.OK, ""),
        (10, State.WARNING, "renew it soon"),
        (-1, State.FAILURE, "it has expired, if the clock is right: renew it"),
    ],
)
def test_certificate(days: int, state: State, way_out: str, findings_of: Examine, tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("node-1", days=days)
    tls = {"enabled": True, "certificate_file": str(own.certificate), "key_file": str(own.key)}
    mqtt_tables = {"mqtt": {"host": "127.0.0.1", "port": free_port()}, "mqtt.tls": tls}
    finding = findings_of(SetClock(year=None), **mqtt_tables)["certificate"]
    assert (finding.state, finding.way_out) == (state, way_out)


@pytest.fixture
def running(tmp_path: Path, scene: Path, mosquitto: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that replays a scene again and again."""
    capture = {"source": "files", "files": [str(scene)], "loop": True, "clip_s": 1.0}
    agent = AgentProcess(tmp_path / "running", {"capture": capture, "mqtt": mqtt(mosquitto)})
    agent.start()
    agent.wait_for_record("label")
    yield agent
    agent.kill()


def test_running_agent_is_asked(running: AgentProcess, mosquitto: Mosquitto) -> None:
    def findings() -> dict[str, Finding]:
        path = running.folder / "node.toml"
        return {finding.subject: finding for finding in examine(path, clock=SetClock())}

    wait_until(lambda: findings()["publishing"].state is State.OK, what="an agent that is connected")
    assert findings()["agent"].detail == "runs, and is asked for sound and publishing"
    mosquitto.stop()
    wait_until(lambda: findings()["publishing"].state is State.WARNING, what="an agent that is not")


def test_exit_code_and_json(findings_of: Examine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings_of(mqtt={"host": "127.0.0.1", "port": free_port()})
    command = ["doctor", "--config", str(tmp_path / "node.toml")]
    assert main([*command, "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert {finding["subject"]: finding["state"] for finding in said}["publishing"] == "warning"
    assert main(command) == 3
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning  publishing")]
    assert line.endswith(" -> labels wait in the outbox until the broker takes them")


def test_wrong_configuration_is_a_failure(findings_of: Examine) -> None:
    (finding,) = findings_of(store={"mode": "all"}).values()
    assert (finding.subject, finding.state) == ("configuration", State.FAILURE)
