"""Tells the service manager how the agent is: sd_notify(3), a datagram on the socket that the manager names."""

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

_LOGGER = logging.getLogger(__name__)

SEND_TIMEOUT_S: Final = 1.0
"""A manager that does not take its mail must not hold up the agent."""


class ServiceManager:
    """Who started the agent. Nobody in particular, where it was not started as a service: then nothing is sent.

    Attributes:
        watchdog_s: After how long without a sign of life it restarts us; None is never.
    """

    def __init__(self, address: str = "", *, watchdog_s: float | None = None) -> None:
        """Take the address of a datagram socket; one that begins with `@` is abstract, an empty one is nobody."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    def tell(self, **fields: str | int) -> None:
        """Send fields such as `READY=1`. What cannot be sent is logged, and the agent goes on."""
        if not self._address:
            return
        lines = "".join(f"{name}={_one_line(value)}\n" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.sendto(lines.encode(), self._address)
        except OSError as error:
            _LOGGER.warning("the service manager was not told %s: %s", " ".join(fields), error.strerror or error)


def service_manager(environment: Mapping[str, str] = os.environ) -> ServiceManager:
    """Find who started this process: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as systemd sets them."""
    address = environment.get("NOTIFY_SOCKET", "")
    is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    period_us = environment.get("WATCHDOG_USEC", "")
    has_watchdog = is_ours and period_us.isdecimal() and int(period_us) > 0
    return ServiceManager(address, watchdog_s=int(period_us) / 1e6 if has_watchdog else None)


def _one_line(value: str | int) -> str:
    return " ".join(str(value).splitlines())
