"""The agent as a service: a real process that a service manager watches over a real socket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.agents import AgentProcess
from support.broker import free_port
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
