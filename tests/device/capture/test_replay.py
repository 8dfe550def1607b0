"""Schedules and sampled clips in the agent as a real process, from files: time is the position in them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonyc_contract.audio import to_int16
from sonyc_contract.messages import LabelEvent
from support.agents import AgentProcess, n_samples
from support.broker import Mosquitto
from support.signals import noise, write_wav
from support.subscriber import Subscriber

RATE_HZ = 16_000
STORAGE_RATE_HZ = 48_000
FILE_S = 20.0
CLIP_S = 2.0
# Monday, 2026-03-30, 05:59:40 in Berlin.
START = datetime(2026, 3, 30, 3, 59, 40, tzinfo=UTC)


@pytest.fixture
def replay(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Callable[..., tuple[AgentProcess, list[LabelEvent]]]]:
    """Replays so many times the same 20 s, and gives the agent at its end with its labels."""
    agents: list[AgentProcess] = []

    def run(n_times: int, *, rate_hz: int = RATE_HZ, **capture: Any) -> tuple[AgentProcess, list[LabelEvent]]:
        wav = write_wav(tmp_path / "street.wav", noise(FILE_S, rate_hz), rate_hz)
        tables = {
            "capture": {
                "source": "files", "files": [str(wav)] * n_times, "rate_hz": rate_hz, "clip_s": CLIP_S, "speed": 0,
                **capture,
            },
            "store": {"mode": "all", "clear": True, "level": "pcm", "folder": "clips"},
            "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        }  # fmt: skip
        agents.append(AgentProcess(tmp_path / f"node{len(agents)}", tables))
        with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
            assert agents[-1].run() == 0
            subscriber.wait_for(agents[-1].summary["labels_written"])
        return agents[-1], [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]

    yield run
    for agent in agents:
        agent.kill()


@pytest.mark.parametrize("speed", [0, 30])
def test_row_24_only_what_the_schedule_holds_is_recorded_at_any_speed(
    speed: float, replay: Callable[..., tuple[AgentProcess, list[LabelEvent]]]
) -> None:
    schedule = {"schedule": ["mon 06:00-06:01"], "time_zone": "Europe/Berlin"}
    agent, labels = replay(6, speed=speed, files_start=START.isoformat(), **schedule)
    opens = START + timedelta(seconds=20)
    assert [label.start_utc for label in labels] == [opens + timedelta(seconds=2 * n) for n in range(30)]
    assert [label.sample_index for label in labels] == [(20 + 2 * n) * RATE_HZ for n in range(30)]
    assert {label.clock for label in labels} == {"synced"}
    summary = agent.summary
    assert (summary["seconds_captured"], summary["seconds_paused"], summary["seconds_lost"]) == (60.0, 60.0, 0.0)
    assert summary["gaps"] == 0


def test_sampled_clips_are_all_that_is_classified_and_stored(
    replay: Callable[..., tuple[AgentProcess, list[LabelEvent]]],
) -> None:
    agent, labels = replay(30, mode="sampled", duty_cycle=0.1)
    summary = agent.summary
    assert summary["seconds_captured"] + summary["seconds_paused"] == 600.0
    assert summary["gaps"] == summary["seconds_lost"] == 0
    assert 5 <= len(labels) <= 70  # 30 are expected, and 4.5 is their standard deviation
    assert summary["clips_recorded"] == summary["labels_written"] == len(agent.clips) == len(labels)
    assert sum(label.duration_s for label in labels) == summary["seconds_captured"]
    stored_s = sum(n_samples(path) for path in agent.clips) / STORAGE_RATE_HZ
    assert stored_s == pytest.approx(summary["seconds_captured"])
    starts = np.array([label.sample_index for label in labels]) / RATE_HZ
    gaps_s = np.diff(starts) - CLIP_S
    assert gaps_s.min() >= 0
    assert len(set(gaps_s)) > len(gaps_s) / 2  # they are drawn, not periodic


def test_row_15_every_clip_holds_the_samples_that_its_label_names(
    replay: Callable[..., tuple[AgentProcess, list[LabelEvent]]],
) -> None:
    agent, labels = replay(6, rate_hz=STORAGE_RATE_HZ, mode="sampled", mean_gap_s=5.0)
    recorded = np.tile(to_int16(noise(FILE_S, STORAGE_RATE_HZ)), 6)
    assert len(labels) >= 3
    for label, path in zip(labels, agent.clips, strict=True):
        samples, _ = soundfile.read(path, dtype="int16")
        start = label.sample_index
        assert path.stem == label.clip_id
        np.testing.assert_array_equal(samples, recorded[start : start + len(samples)])
