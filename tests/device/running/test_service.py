"""The agent as a service: a real process that a service manager watches over a real socket."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonyc_device.cli import main
from sonyc_device.running.status import read_status
from support.agents import AgentProcess
from support.broker import free_port
from support.processes import wait_until
from support.pulse import PulseServer, PulseSource
from support.service_manager import NotifySocket
from support.signals import noise, write_wav

RATE_HZ = 16_000


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path / "notify") as opened:
        yield opened


@pytest.fixture
def make_agent(tmp_path: Path, manager: NotifySocket) -> Iterator[Callable[..., AgentProcess]]:
    """Makes agents that replay noise and tell the manager; they are killed at the end of the test."""
    scene = write_wav(tmp_path / "scene.wav", noise(3.0, RATE_HZ), RATE_HZ)
    agents: list[AgentProcess] = []

    def make(*, files: Path = scene, watchdog_s: float | None = None, **capture: Any) -> AgentProcess:
        tables = {
            "capture": {"source": "files", "files": [str(files)], "loop": True, "clip_s": 1.0, **capture},
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
        }
        agent = AgentProcess(tmp_path / "node", tables)
        period = {} if watchdog_s is None else {"WATCHDOG_USEC": str(round(watchdog_s * 1e6))}
        agent.environment = {**agent.environment, "NOTIFY_SOCKET": manager.address, **period}
        agents.append(agent)
        return agent

    yield make
    for agent in agents:
        agent.kill()


def test_ready_is_told_when_samples_have_come_and_stopping_at_the_end(
    make_agent: Callable[..., AgentProcess], manager: NotifySocket
) -> None:
    agent = make_agent()
    agent.start()
    manager.wait_for("READY")
    assert any(record["message"] == "recording" for record in agent.records)
    assert not manager.count("STOPPING")
    assert agent.terminate() == 0
    assert (manager.count("READY"), manager.count("STOPPING")) == (1, 1)


def test_ready_is_not_told_without_samples(
    make_agent: Callable[..., AgentProcess], manager: NotifySocket, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    assert make_agent(files=tmp_path / "bad.wav").run() == 1
    assert not manager.count("READY")


def test_watchdog_is_fed_while_samples_come_and_not_when_they_stop(
    make_agent: Callable[..., AgentProcess], manager: NotifySocket, tmp_path: Path
) -> None:
    server = PulseServer(tmp_path / "pulse")  # its own, to be stopped
    server.start()
    try:
        source = PulseSource(server, "street")
        source.open()
        agent = make_agent(watchdog_s=3.0, source="microphone", device="pulse", loop=False)
        agent.environment = {**source.environment, **agent.environment, "PULSE_SERVER": server.address}
        agent.start()
        manager.wait_for("WATCHDOG", n=3)
        server.freeze()
        wait_until(lambda: idle_s(agent) > 2, what="an agent without samples")
        n_fed = manager.count("WATCHDOG")
        wait_until(lambda: idle_s(agent) > 5, what="an agent that goes on without samples")
        assert manager.count("WATCHDOG") == n_fed
        server.thaw()
        manager.wait_for("WATCHDOG", n=n_fed + 1)
    finally:
        server.stop()


def idle_s(agent: AgentProcess) -> float:
    """For how long the agent has had no sample, by its own account."""
    return float(read_status(agent.folder / "state")["last_samples_s_ago"])


def test_status_of_a_running_agent_and_of_none(
    make_agent: Callable[..., AgentProcess], manager: NotifySocket, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = make_agent()
    command = ["status", "--config", str(agent.folder / "node.toml")]
    agent.start()
    manager.wait_for("READY")
    main([*command, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["node"] == "node-1"
    assert 0 <= document["last_samples_s_ago"] < 5
    main(command)
    assert "node " in capsys.readouterr().out
    agent.process.send_signal(signal.SIGSTOP)
    assert main(command) == 1
    assert "does not answer within" in capsys.readouterr().err
    agent.process.send_signal(signal.SIGCONT)
    agent.kill()
    assert main(command) == 1
    assert "no agent runs with the state folder" in capsys.readouterr().err


def test_hangup_takes_up_a_changed_configuration_or_refuses_it(
    make_agent: Callable[..., AgentProcess], manager: NotifySocket
) -> None:
    agent = make_agent()
    agent.start()
    agent.wait_for_record("label")
    path = agent.folder / "node.toml"
    before = path.read_text()

    path.write_text(f'{before}\n[store]\nlevel = "v9"\n')
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for_record("configuration reloaded")
    wait_until(lambda: read_status(agent.folder / "state")["settings"]["level"] == "v9", what="the new level")
    manager.wait_for("RELOADING")
    manager.wait_for("READY", n=2)

    path.write_text(f'{before}\n[store]\nlevel = "v10"\n')
    agent.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", n=3)
    path.write_text(before.replace('"node-1"', '"node-2"'))
    agent.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", n=4)
    refusals = [record["message"] for record in agent.records if "not taken" in record["message"]]
    assert "key 'store.level'" in refusals[0]
    assert "needs a restart, because of node_id, store.level" not in refusals[1]
    assert "needs a restart, because of node_id" in refusals[1]
    assert read_status(agent.folder / "state")["settings"]["level"] == "v9"
    assert agent.terminate() == 0
