"""`sonyc-tools demo`, as its user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sonyc_tools.cli import main
from sonyc_tools.demo import Counts

pytestmark = pytest.mark.trainer_env


@pytest.mark.parametrize(
    ("counts", "agree"),
    [((3, 3, 3), True), ((3, 3, 2), False), ((3, 2, 3), False), ((4, 3, 3), False), ((0, 0, 0), False)],
)
def test_only_equal_counts_agree(counts: tuple[int, int, int], *, agree: bool) -> None:
    assert Counts(*counts).agree is agree


def test_a_missing_program_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 1
    assert "sonyc-trainer is not installed beside this command: pip install" in capsys.readouterr().err


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "study" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path}: holds files that no demo made" in capsys.readouterr().err
    assert mine.read_text() == "years of work"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--out", str(tmp_path / "file" / "demo")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sonyc-tools: {tmp_path / 'file'}")


@pytest.mark.slow
def test_the_demo_ends_with_agreeing_counts(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("sonyc-tools")), "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    last = done.stdout.rstrip().splitlines()[-1]
    found = re.fullmatch(r"demo: (\d+) clips recorded, (\d+) labels published, (\d+) received", last)
    assert found is not None, last
    assert len(set(found.groups())) == 1
    stored = list((tmp_path / "demo" / "node" / "clips").rglob("*.mp3"))
    assert len(stored) == int(found.group(1)) > 0
