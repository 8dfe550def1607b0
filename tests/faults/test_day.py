"""A simulated day, as fast as it goes, without a broker: memory does not grow, and no label is lost."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import LabelEvent
from sonyc_device.running.status import read_status
from support.agents import AgentProcess
from support.broker import Mosquitto
from support.evidence import Evidence
from support.long_form import figure
from support.memory import anonymous_mb
from support.signals import noise, write_wav
from support.subscriber import Subscriber

pytestmark = pytest.mark.slow

RATE_HZ = 48_000
CLIP_S = 10
N_FIRST = figure(120, 360)  # an hour; in the short form a third of one
N_CLIPS = figure(360, 24 * 360)
CLIP_WITHIN_S = 1.0


def test_day_without_a_broker(
    tmp_path: Path, mosquitto: Mosquitto, record_property: Callable[[str, object], None]
) -> None:
    tables: dict[str, Any] = {
        "capture": {"source": "files", "files": ["scene.wav"], "loop": True, "speed": 0.0, "clip_s": CLIP_S},
        "store": {"mode": "all", "clear": True, "folder": "clips", "max_bytes": 50_000_000, "reserve_bytes": 0},
        "level": {"enabled": True},
        "mqtt": {"host": "127.0.0.1", "port": mosquitto.port, "reconnect_max_s": 1.0},
    }
    agent = AgentProcess(tmp_path / "node", tables)
    write_wav(agent.folder / "scene.wav", noise(61.0, RATE_HZ), RATE_HZ)
    with Subscriber(mosquitto.port, "sonyc/v1/node-1/label") as subscriber:
        mosquitto.stop()
        agent.start()
        try:
            wait_for_labels(agent, N_FIRST)
            at_first_mb = anonymous_mb(agent.process.pid)
            wait_for_labels(agent, N_CLIPS)
            at_end_mb = anonymous_mb(agent.process.pid)
            mosquitto.start()
            assert agent.terminate() == 0
            evidence = Evidence(agent, RATE_HZ)
            evidence.look()
            agent.tables = {**tables, "capture": {**tables["capture"], "loop": False}}
            assert agent.run("--drain-timeout", "900", timeout_s=1200) == 0
            subscriber.wait_for(len(evidence.written))
        finally:
            agent.kill()
    record_property("memory", f"{at_first_mb:.1f} MB after {N_FIRST} clips, {at_end_mb:.1f} MB after {N_CLIPS}")
    record_property("labels", f"{len(evidence.written)} written without a broker")
    assert at_end_mb <= 1.05 * at_first_mb
    received = {LabelEvent.model_validate_json(payload).clip_id for payload in subscriber.payloads}
    assert evidence.written <= received
    assert len(received) >= N_CLIPS


def wait_for_labels(agent: AgentProcess, n_labels: int) -> None:
    """Ask the agent once a second; its log of a day is too long to be read again and again."""
    deadline_s = time.monotonic() + n_labels * CLIP_WITHIN_S
    agent.wait_for_record("label")
    while read_status(agent.folder / "state")["labels"]["written"] < n_labels:
        assert time.monotonic() < deadline_s
        time.sleep(1.0)
