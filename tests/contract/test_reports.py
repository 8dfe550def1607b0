"""What a node says of itself: as it is sent, read back, and refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sonyc_contract.messages import Message, dump_message
from sonyc_contract.reports import Evicted, Hour, Presence
from support.sample_reports import HOUR, REPORTS, STATE


@pytest.mark.parametrize("name", REPORTS)
def test_round_trip(name: str) -> None:
    report = REPORTS[name]
    assert type(report).model_validate_json(dump_message(report), strict=True) == report


@pytest.mark.parametrize("name", REPORTS)
def test_schema_id_is_that_of_its_file(name: str) -> None:
    sent = json.loads(dump_message(REPORTS[name]))
    assert sent["schema"] == "sonyc." + name.removesuffix(".json").replace("-v", "/")


def test_birth_and_will_differ_in_what_they_must() -> None:
    will = STATE.model_copy(update={"state": Presence.OFFLINE, "reason": "connection lost"})
    birth, last = json.loads(dump_message(STATE)), json.loads(dump_message(will))
    assert {key for key in birth if birth[key] != last[key]} == {"state", "reason"}


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (STATE, {"state": "away"}),
        (STATE, {"connection": "1"}),
        (STATE, {"settings": {**STATE.settings.model_dump(), "thresholds": {"cat": 0.5}}}),
        (STATE, {"settings": {**STATE.settings.model_dump(), "thresholds": {"dog": 1.5}}}),
        (STATE, {"settings": {**STATE.settings.model_dump(), "config_hash": "c" * 15}}),
        (HOUR, {"captured_s": -1.0}),
        (HOUR, {"lost_s": {"shed": float("nan")}}),
        (REPORTS["evicted-v1.json"], {"first_seq": 0}),
        (REPORTS["clock-v1.json"], {"rate_hz": 0}),
        (REPORTS["ack-v1.json"], {"id": "a/b"}),
    ],
)
def test_report_that_is_wrong(message: Message, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        type(message).model_validate({**message.model_dump(), **changes})


def test_what_is_refused_is_named() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Evicted(node="n", session="0" * 16, first_seq=1, last_seq=1, n_labels=1, colour="red")  # type: ignore[call-arg]
    assert Hour(**HOUR.model_dump()) == HOUR
