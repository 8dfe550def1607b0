"""Progress where there is no terminal: a line at every tenth at most, the last one at the end."""

import pytest

from sonyc_trainer.progress import PlainProgress


@pytest.mark.parametrize(("steps", "n_lines"), [([1] * 1000, 10), ([7] * 10 + [3], 10), ([5], 1), ([0, 90, 10], 2)])
def test_lines_at_tenths(capsys: pytest.CaptureFixture[str], steps: list[int], n_lines: int) -> None:
    total = sum(steps)
    with PlainProgress().task("trim", total) as advance:
        for step in steps:
            advance(step)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == n_lines
    assert lines[-1] == f"trim: {total} of {total}"


def test_nothing_to_do_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainProgress().task("trim", 0) as advance:
        advance(0)
    assert capsys.readouterr().err == ""
