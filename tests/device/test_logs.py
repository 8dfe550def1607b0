"""The log on standard error: JSON lines, whatever native libraries print beside it."""

import json
import subprocess
import sys

from sonyc_device.logs import MAX_NATIVE_LINES


def run(script: str) -> tuple[int, list[str]]:
    """Run a script that has set up the log, and give its exit code and what it wrote to standard error."""
    begin = "import logging, os, sys\nfrom sonyc_device import logs\nlogs.log_to_stderr('info')\n"
    command = [sys.executable, "-c", begin + script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


def messages(lines: list[str]) -> list[tuple[str, str]]:
    return [(record["logger"], record["message"]) for record in map(json.loads, lines)]


def test_native_output_becomes_records_and_each_line_only_once() -> None:
    code, lines = run(
        "with logs.native_output_logged():\n"
        "    for _ in range(3):\n"
        "        os.write(2, b'ALSA lib pcm.c:1: cannot open\\n\\nExpression failed \\xff')\n"
        "        os.write(2, b'\\n')\n"
        "    logging.getLogger('mine').info('between')\n"
        "logging.getLogger('mine').info('after')\n"
    )
    assert code == 0
    assert sorted(messages(lines)) == [
        ("mine", "after"),
        ("mine", "between"),
        ("native", "ALSA lib pcm.c:1: cannot open"),
        ("native", "Expression failed \ufffd"),
    ]
    assert messages(lines)[-1] == ("mine", "after")


def test_log_is_not_lost_while_descriptor_2_leads_elsewhere() -> None:
    """As sounddevice does while it initialises PortAudio."""
    _, lines = run(
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\nos.write(2, b'nobody reads this')\n"
        "logging.getLogger('mine').info('heard')\n"
    )
    assert messages(lines) == [("mine", "heard")]


def test_flood_of_native_output_is_bounded_and_nobody_waits() -> None:
    code, lines = run(
        "with logs.native_output_logged():\n"
        "    for n in range(100_000):\n"
        "        try:\n"
        "            os.write(2, b'line %d\\n' % n)\n"
        "        except BlockingIOError:\n"
        "            pass\n"
    )
    assert code == 0
    assert 0 < len(messages(lines)) <= MAX_NATIVE_LINES


def test_standard_error_is_as_before_when_the_agent_has_left() -> None:
    _, lines = run("with logs.native_output_logged():\n    pass\nprint('sonyc-device: done', file=sys.stderr)\n")
    assert lines == ["sonyc-device: done"]


def test_crash_says_where() -> None:
    code, lines = run("import ctypes\nwith logs.native_output_logged():\n    ctypes.string_at(0)\n")
    assert code < 0
    assert any(line.startswith("Fatal Python error: Segmentation fault") for line in lines)
