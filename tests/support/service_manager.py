"""The service manager's end of sd_notify: a datagram socket that keeps what it is told."""

import socket
from pathlib import Path
from types import TracebackType

from support.processes import wait_until


class NotifySocket:
    """A real socket; use as context.

    Attributes:
        address: What NOTIFY_SOCKET must hold.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told: list[dict[str, str]] = []

    def __enter__(self) -> "NotifySocket":
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self._socket.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def told(self) -> list[dict[str, str]]:
        """Every datagram so far, as fields."""
        while True:
            try:
                datagram = self._socket.recv(65_536).decode()
            except BlockingIOError:
                return list(self._told)
            self._told.append(dict(line.split("=", 1) for line in datagram.splitlines()))

    def count(self, field: str) -> int:
        """How many datagrams had a field."""
        return sum(field in fields for fields in self.told)

    def wait_for(self, field: str, *, n: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until `n` datagrams had a field."""
        wait_until(lambda: self.count(field) >= n, what=f"{n} times {field}", timeout_s=timeout_s)
