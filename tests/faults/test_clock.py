"""Clocks that jump: samples are counted on, nothing is deleted for being old, and nothing is sent twice."""

import itertools
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import ClockQuality, LabelEvent
from support.broker import free_port
from support.processes import wait_until
from support.scripted_broker import ScriptedBroker
from support.whole_agents import SetClock, WholeAgent, whole_agent

pytestmark = pytest.mark.slow

RATE_HZ = 16_000
JUMPS = [timedelta(hours=1), timedelta(days=365), timedelta(days=-365), timedelta(hours=-1), timedelta(days=-20_000)]


def tables(port: int) -> dict[str, Any]:
    return {
        "capture": {"rate_hz": RATE_HZ, "clip_s": 1.0},
        "store": {"mode": "all", "clear": True, "folder": "clips", "reserve_bytes": 0, "retention_days": 30.0},
        "outbox": {"max_age_days": 30.0},
        "mqtt": {"host": "127.0.0.1", "port": port, "reconnect_max_s": 0.2},
    }


def hear(whole: WholeAgent, n_clips: int) -> None:
    """Let it record so many clips, one after the other, and label them."""
    n_wanted = whole.status()["labels_written"]
    for _ in range(n_clips):
        n_wanted += 1
        whole.street.hear(1)
        wait_until(partial(_has_labels, whole, n_wanted), what="a label")


def _has_labels(whole: WholeAgent, n_labels: int) -> bool:
    return bool(whole.status()["labels_written"] >= n_labels)


def labels_of(broker: ScriptedBroker) -> list[LabelEvent]:
    return [LabelEvent.model_validate_json(payload) for payload in broker.payloads("label")]


def test_jumps_cost_no_label_and_no_clip(tmp_path: Path) -> None:
    port = free_port()
    with whole_agent(tmp_path, tables(port)) as whole:
        hear(whole, 3)
        for jump in JUMPS:
            whole.clock.ahead += jump
            hear(whole, 3)
        n_labels = 3 * (1 + len(JUMPS))
        status = whole.status()
        assert (status["labels_written"], status["labels_evicted"], status["gaps"]) == (n_labels, 0, 0)
        with ScriptedBroker(port=port) as broker:
            wait_until(lambda: len(labels_of(broker)) >= n_labels, what="all labels")
            labels = labels_of(broker)
    assert [label.sample_index for label in labels] == [n * RATE_HZ for n in range(n_labels)]
    assert [label.seq for label in labels] == list(range(1, n_labels + 1))
    clips = {path.stem for path in (tmp_path / "clips").rglob("*.mp3")}
    assert clips == {label.clip_id for label in labels}
    assert all(label.audio.kept for label in labels)
    steps = [following.start_utc - one.start_utc for one, following in itertools.pairwise(labels)]
    jumped = [step for step in steps if abs(step) > timedelta(minutes=30)]
    assert len(jumped) == len(JUMPS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((ClockQuality.UNSET, -20_000), (ClockQuality.SYNCED, 0)),  # 1970, until a time server was reached
        ((ClockQuality.UNSET, 0), (ClockQuality.UNSET, 4_000)),
        ((ClockQuality.SYNCED, 0), (ClockQuality.UNSET, 4_000)),
    ],
)
def test_clock_that_was_not_set_makes_nothing_old(
    first: tuple[ClockQuality, int], second: tuple[ClockQuality, int], tmp_path: Path
) -> None:
    port = free_port()
    with whole_agent(tmp_path, tables(port), clock=clock_of(*first)) as whole:
        hear(whole, 3)
        assert whole.finish().n_waiting >= 3
    with whole_agent(tmp_path, tables(port), clock=clock_of(*second)) as whole:
        hear(whole, 1)
        assert whole.status()["labels_evicted"] == 0
        with ScriptedBroker(port=port) as broker:
            wait_until(lambda: len(labels_of(broker)) >= 4, what="all labels")
    assert [label.clock for label in labels_of(broker)] == [first[0]] * 3 + [second[0]]
    assert len(list((tmp_path / "clips").rglob("*.mp3"))) == 4


def clock_of(quality: ClockQuality, days_ahead: int) -> SetClock:
    clock = SetClock(quality)
    clock.ahead = timedelta(days=days_ahead)
    return clock
