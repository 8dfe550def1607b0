"""What a person reads of the running agent."""

import json
from typing import Any

import pytest

from sonyc_contract.messages import dump_message
from sonyc_device.running.status import troubles
from sonyc_device.running.status_words import in_words
from support.sample_reports import HEALTH


def status(**changes: Any) -> dict[str, Any]:
    """An answer that is right but for `changes`."""
    document = json.loads(dump_message(HEALTH))
    return {"last_samples_s_ago": 0.71, "clip_in_work_s": 0.0, **document, **changes}


def words(**changes: Any) -> dict[str, str]:
    return dict(in_words(status(**changes), []))


def test_every_line_is_about_something() -> None:
    said = words()
    assert list(said) == ["node", "hearing", "recording", "labels", "store", "broker", "clock", "machine"]
    assert all(said.values())
    assert "samples 0.7 s ago" in said["hearing"]


def test_what_is_not_known_is_left_out() -> None:
    document = status()
    machine = dict.fromkeys(document["machine"]) | {"load_1min": 0.5}
    queues = document["queues"] | {"lag_s": None, "oldest_s": None, "messages": 0}
    said = words(machine=machine, queues=queues, microphone=None, last_samples_s_ago=None)
    assert said["machine"] == "load 0.50"
    assert said["labels"].endswith("0 messages wait")
    assert said["hearing"] == "files; no sample yet"


@pytest.mark.parametrize(("run_s", "said"), [(59, "59 s"), (3_000, "50 min"), (9_000, "2.5 h"), (90_000, "25.0 h")])
def test_durations(run_s: float, said: str) -> None:
    assert f"for {said};" in words(run_s=run_s)["node"]


def test_troubles_stand_at_the_end() -> None:
    broker = {**status()["broker"], "connected": False, "state": "not reached"}
    document = status(problems=["store: full"], last_samples_s_ago=60.0, broker=broker)
    found = troubles(document)
    assert found == ["store: full", "sound: no sample has come for 60 s", "broker: not reached"]
    assert list(in_words(document, found))[-3:] == [("wrong", trouble) for trouble in found]
    assert "sound: not one sample has come yet" in troubles(status(last_samples_s_ago=None))
