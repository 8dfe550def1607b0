"""Output of native code is led away, and comes back."""

import os
import threading
from pathlib import Path

import pytest

from sonyc_trainer.quiet import output_to


def write_as_native_code_does(text: str) -> None:
    os.write(2, text.encode())


def test_output_goes_to_the_log_and_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with output_to(tmp_path / "log"):
        write_as_native_code_does("noise\n")
    write_as_native_code_does("ours\n")
    assert (tmp_path / "log").read_text() == "noise\n"
    assert capfd.readouterr().err == "ours\n"


def test_output_comes_back_after_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), output_to(tmp_path / "log"):
        raise ValueError("broken")
    write_as_native_code_does("ours\n")
    assert capfd.readouterr().err == "ours\n"


def test_threads_that_overlap_leave_nothing_led_away(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    is_within, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with output_to(tmp_path / "first"):
            is_within.set()
            may_leave.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    assert is_within.wait(10)
    with output_to(tmp_path / "second"):
        may_leave.set()
        thread.join()
        write_as_native_code_does("noise\n")
    write_as_native_code_does("ours\n")
    assert (tmp_path / "first").read_text() == "noise\n"
    assert capfd.readouterr().err == "ours\n"
