"""A node that comes up without the time, and gets it: what it recorded before can be dated by whoever receives it."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sonyc_contract.messages import ClockQuality, LabelEvent
from sonyc_contract.reports import ClockSet, NodeHealth
from support.broker import free_port
from support.processes import wait_until
from support.scripted_broker import ScriptedBroker
from support.whole_agents import SetClock, WholeAgent, whole_agent

RATE_HZ = 16_000


def hear(whole: WholeAgent, n_labels: int) -> None:
    """Hear clips of a second until there are so many labels."""
    while whole.status()["labels_written"] < n_labels:
        n = whole.status()["labels_written"]
        whole.street.hear(1)
        wait_until(partial(lambda n: whole.status()["labels_written"] > n, n), what="a label")


def test_labels_of_before_are_dated_by_the_clock_message(tmp_path: Path) -> None:
    port = free_port()
    tables = {
        "capture": {"rate_hz": RATE_HZ, "clip_s": 1.0},
        "mqtt": {"host": "127.0.0.1", "port": port, "reconnect_max_s": 0.2},
        "health": {"every_s": 1.0},
    }
    clock = SetClock(ClockQuality.UNSET)
    clock.ahead = timedelta(days=-20_000)
    with whole_agent(tmp_path, tables, clock=clock) as whole, ScriptedBroker(port=port) as broker:
        hear(whole, 2)
        before_utc = datetime.now(UTC)
        hear(whole, 3)
        wait_until(lambda: bool(broker.payloads("health")), what="health of a node without the time")
        clock.ahead, clock.said_quality = timedelta(), ClockQuality.SYNCED
        wait_until(lambda: bool(broker.payloads("clock")), what="the clock message")
        hear(whole, 4)
        wait_until(lambda: len(broker.payloads("label")) >= 4, what="all labels")
        wait_until(lambda: published_s(whole) == 4.0, what="all of it in the books")
        hours = whole.agent.health.document().hours
    labels = [LabelEvent.model_validate_json(payload) for payload in broker.payloads("label")]
    (told,) = (ClockSet.model_validate_json(payload) for payload in broker.payloads("clock"))
    first = NodeHealth.model_validate_json(broker.payloads("health")[0])
    assert [label.clock for label in labels] == [ClockQuality.UNSET] * 3 + [ClockQuality.SYNCED]
    assert {label.start_utc.year for label in labels[:3]} == {(datetime.now(UTC) - timedelta(days=20_000)).year}
    assert told.run == labels[0].run
    third = told.utc + timedelta(seconds=(labels[2].sample_index - told.sample_index) / told.rate_hz)
    assert abs(third - before_utc) < timedelta(seconds=15)
    assert "clock: was never set in this run" in first.problems
    assert all(hour.dated for hour in hours), "the books know when it was"


def published_s(whole: WholeAgent) -> float:
    return sum(hour.published_s for hour in whole.agent.health.document().hours)
