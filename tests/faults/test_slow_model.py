"""A model slower than real time: whole clips are shed, oldest first, counted, and nothing grows."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sonyc_contract.messages import LabelEvent
from sonyc_device.agent import MAX_WAITING_CLIPS
from support.memory import anonymous_mb_now
from support.processes import wait_until
from support.scripted_broker import ScriptedBroker
from support.whole_agents import whole_agent

pytestmark = pytest.mark.slow

RATE_HZ = 48_000
N_CLIPS = 600
PACE_S = 0.02
"""A clip of two seconds every 20 ms: a hundred times real time, and the model takes three times as long."""


def test_slow_model_sheds_whole_clips_and_nothing_grows(tmp_path: Path, record_property: Callable[..., None]) -> None:
    with ScriptedBroker() as broker:
        tables = {
            "capture": {"rate_hz": RATE_HZ, "clip_s": 2.0},
            "mqtt": {"host": "127.0.0.1", "port": broker.port, "reconnect_max_s": 0.2},
        }
        with whole_agent(tmp_path, tables) as whole:
            whole.model.delay_s = 3 * PACE_S
            memory_mb = []
            for n in range(N_CLIPS):
                whole.street.hear(2)
                time.sleep(PACE_S)  # the pace of the street
                if n >= N_CLIPS // 4:
                    memory_mb.append(anonymous_mb_now())
            lag_s = whole.agent.health.document().queues.lag_s
            whole.model.delay_s = 0.0
            wait_until(lambda: _accounted(whole.status()) == N_CLIPS, what="every clip labelled or shed")
            status = whole.status()
            wait_until(lambda: len(broker.payloads("label")) == status["labels_written"], what="every label")
    assert lag_s is not None
    assert 2.0 < lag_s <= 2.0 * (MAX_WAITING_CLIPS + 3), "some clips are waited for, and no more than may wait"
    assert status["clips_shed"] > N_CLIPS / 3
    assert status["gaps"] == status["clips_shed"]
    assert status["seconds_captured"] + status["seconds_lost"] == 2.0 * N_CLIPS
    labels = [LabelEvent.model_validate_json(payload) for payload in broker.payloads("label")]
    indexes = [label.sample_index for label in labels]
    assert indexes == sorted(set(indexes))
    record_property("shed", f"{status['clips_shed']} of {N_CLIPS}; {memory_mb[0]:.1f} to {max(memory_mb):.1f} MB")
    clips_waiting_mb = MAX_WAITING_CLIPS * 2 * RATE_HZ * 2 / 2**20
    assert max(memory_mb) - memory_mb[0] < 2 * clips_waiting_mb + 5


def _accounted(status: dict[str, object]) -> object:
    return int(str(status["labels_written"])) + int(str(status["clips_shed"]))
