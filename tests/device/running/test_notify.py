"""What the service manager is told, over real sockets."""

import os
import socket
from pathlib import Path

import pytest

from sonyc_device.running.notify import ServiceManager, service_manager
from support.service_manager import NotifySocket


def test_fields_arrive_in_one_datagram(tmp_path: Path) -> None:
    with NotifySocket(tmp_path / "notify") as socket_:
        ServiceManager(socket_.address).tell(READY=1, STATUS="recording\nfrom pulse")
        assert socket_.told == [{"READY": "1", "STATUS": "recording from pulse"}]


def test_abstract_address_is_reached(tmp_path: Path) -> None:
    with NotifySocket(f"@sonyc-test-{tmp_path.name}-{os.getpid()}") as socket_:
        service_manager({"NOTIFY_SOCKET": socket_.address}).tell(STOPPING=1)
        assert socket_.told == [{"STOPPING": "1"}]


def test_nobody_is_told_nothing() -> None:
    service_manager({}).tell(READY=1)


def test_manager_that_is_gone_costs_a_log_line_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "gone")).tell(READY=1)
    assert "was not told READY: No such file" in caplog.text


def test_manager_that_takes_nothing_does_not_hold_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sonyc_device.running.notify.SEND_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(tmp_path / "notify"))
        for _ in range(1000):
            ServiceManager(str(tmp_path / "notify")).tell(WATCHDOG=1)
            if caplog.records:
                break
    assert "was not told WATCHDOG: timed out" in caplog.text


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog_is_as_the_manager_says(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert service_manager(environment).watchdog_s == watchdog_s
