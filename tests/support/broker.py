"""A real mosquitto on the loopback interface that can go away and come back on the same port."""

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.processes import end, wait_until
from support.system_packages import find_program


class Mosquitto:
    """A broker with its own configuration, log and persistence in `folder`.

    Attributes:
        host: Always 127.0.0.1.
        port: A port that was free when the object was made; it stays the same over `stop` and `start`.
        log: What the broker says.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, settings: Sequence[str] = ("allow_anonymous true",)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} {self.host}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 100000",
            *(["user root"] if os.geteuid() == 0 else []),  # user mosquitto may not write to pytest's folder
            *settings,
        ]
        self._config.write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> None:
        """Start and wait until it accepts connections.

        Raises:
            RuntimeError: the broker ended at once; the message holds its log.
            TimeoutError: it did not accept in time.
        """
        program = find_program("mosquitto") or "mosquitto"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._accepts, what=f"mosquitto on port {self.port}")

    def stop(self) -> None:
        """End the broker, connections and all; nothing happens where it does not run."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def _accepts(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"mosquitto ended: {self.log.read_text(errors='replace')}")
        try:
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((Mosquitto.host, 0))
        return int(probe.getsockname()[1])
