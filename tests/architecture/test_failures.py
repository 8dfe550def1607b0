"""docs/failures.md: every failure is there, and every test that it names exists."""

import ast
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

N_FAILURES = 26

_REPOSITORY = Path(__file__).resolve().parents[2]
_PAGE = (_REPOSITORY / "docs" / "failures.md").read_text()
_SECTIONS = re.split(r"^## (\d+)\. ", _PAGE, flags=re.MULTILINE)[1:]
_BY_NUMBER = dict(zip(map(int, _SECTIONS[::2]), _SECTIONS[1::2], strict=True))
_TEST = re.compile(r"^- `(tests/[\w/]+\.py)::([\w*]+)`$", re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the test functions in a file."""
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_every_failure_is_there_in_order() -> None:
    assert list(_BY_NUMBER) == list(range(1, N_FAILURES + 1))


@pytest.mark.parametrize("number", _BY_NUMBER)
def test_what_is_named_exists(number: int) -> None:
    named = _TEST.findall(_BY_NUMBER[number])
    assert named
    assert _BY_NUMBER[number].count("\n- ") == len(named)
    for file, pattern in named:
        path = _REPOSITORY / file
        assert path.is_file(), file
        assert any(fnmatch(name, pattern) for name in names_in(path)), f"{file}::{pattern}"


def test_what_is_open_says_so() -> None:
    assert [number for number, text in _BY_NUMBER.items() if "Open: " in text] == [3, 19]
