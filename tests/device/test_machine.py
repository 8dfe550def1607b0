"""What a machine says of itself, and what it is when it says nothing."""

import os
from pathlib import Path

import pytest

from sonyc_device.machine import read_machine


def test_a_pi_that_says_everything(tmp_path: Path) -> None:
    zone = tmp_path / "sys" / "class" / "thermal" / "thermal_zone0"
    own = tmp_path / "proc" / "self"
    zone.mkdir(parents=True)
    own.mkdir(parents=True)
    (zone / "temp").write_text("51540\n")
    (own / "statm").write_text("60000 25000 9000 1 0 40000 0\n")
    (tmp_path / "proc" / "uptime").write_text("86400.25 300000.00\n")
    (tmp_path / "proc" / "loadavg").write_text("0.42 0.30 0.20 1/200 999\n")
    machine = read_machine(tmp_path, proc=tmp_path / "proc", sys=tmp_path / "sys")
    assert (machine.temperature_c, machine.uptime_s, machine.load_1min) == (51.54, 86_400.25, 0.42)
    assert machine.memory_bytes == 25_000 * os.sysconf("SC_PAGE_SIZE")
    assert machine.disk_free_bytes is not None
    assert machine.disk_total_bytes is not None
    assert 0 < machine.disk_free_bytes <= machine.disk_total_bytes


@pytest.mark.parametrize("text", ["", "hot\n", "\n"])
def test_machine_that_says_nothing_is_no_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "uptime").write_text(text)
    machine = read_machine(tmp_path / "nowhere", proc=tmp_path, sys=tmp_path)
    assert set(machine.model_dump().values()) == {None}


def test_this_machine_says_something() -> None:
    machine = read_machine(Path.cwd())
    assert machine.memory_bytes is not None
    assert machine.memory_bytes > 10_000_000
