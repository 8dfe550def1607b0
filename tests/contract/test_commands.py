"""Commands: what an operator may write, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sonyc_contract.commands import COMMANDS, Operation, SetCaptureMode, SetLevel, SetStoreMode, SetThresholds
from sonyc_contract.levels import Level


def test_every_operation_has_its_command() -> None:
    assert set(COMMANDS) == set(Operation)


def test_schema_may_be_left_out() -> None:
    assert SetLevel.model_validate_json('{"level": "v7"}', strict=True).level is Level.V7
    assert SetLevel.model_validate_json('{"schema": "sonyc.command/1", "level": null}', strict=True).level is None
    assert COMMANDS[Operation.STATUS].model_validate_json("{}", strict=True)


def test_thresholds_come_in_taxonomy_order() -> None:
    command = SetThresholds.model_validate_json('{"thresholds": {"dog": 0.5, "engine": 1}}', strict=True)
    assert list(command.thresholds or {}) == ["engine", "dog"]


@pytest.mark.parametrize(
    ("operation", "payload"),
    [
        (Operation.SET_LEVEL, "{}"),
        (Operation.SET_LEVEL, '{"level": "v10"}'),
        (Operation.SET_LEVEL, '{"level": 7}'),
        (Operation.SET_LEVEL, '{"level": "v7", "clear": true}'),
        (Operation.SET_LEVEL, '{"level": "v7", "schema": "sonyc.command/2"}'),
        (Operation.SET_LEVEL, '["v7"]'),
        (Operation.SET_LEVEL, "v7"),
        (Operation.SET_THRESHOLDS, '{"thresholds": {"cat": 0.5}}'),
        (Operation.SET_THRESHOLDS, '{"thresholds": {"dog": 1.01}}'),
        (Operation.SET_THRESHOLDS, '{"thresholds": {"dog": NaN}}'),
        (Operation.SET_CAPTURE_MODE, '{"mode": "Sampled"}'),
        (Operation.SET_STORE_MODE, '{"mode": "all", "recipients": ["age1..."]}'),
        (Operation.STATUS, '{"all": true}'),
    ],
)
def test_command_that_is_wrong(operation: Operation, payload: str) -> None:
    with pytest.raises(ValidationError):
        COMMANDS[operation].model_validate_json(payload, strict=True)


@pytest.mark.parametrize("command", [SetLevel, SetThresholds, SetCaptureMode, SetStoreMode])
@given(payload=st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_command_or_a_validation_error(command: type[SetLevel], payload: bytes) -> None:
    try:
        command.model_validate_json(payload, strict=True)
    except ValidationError:
        return
