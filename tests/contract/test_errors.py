"""One root, one line."""

import inspect
import pickle

import pytest

from sonyc_contract import errors
from sonyc_contract.errors import ContractError

_ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BaseException)]


@pytest.mark.parametrize("kind", _ERRORS)
def test_every_error_has_the_root_and_is_in_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, ContractError)
    assert kind.__name__ in str(errors.__doc__)


@pytest.mark.parametrize("kind", _ERRORS)
def test_message_is_one_line_and_survives_a_process_pool(kind: type[Exception]) -> None:
    error = kind("a path with a\nline feed\r\nand more: no such file")
    assert str(error) == "a path with a line feed and more: no such file"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
