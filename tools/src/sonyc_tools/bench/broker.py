"""The broker that an agent publishes to while it is measured: mosquitto where it is installed, else the demo's own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sonyc_tools.embedded_broker import BrokerAddress, embedded_broker
from sonyc_tools.errors import BrokerError

_HOST = "127.0.0.1"
_DEADLINE_S = 10.0
_POLL_S = 0.05
_SBIN = "/usr/sbin"  # where Debian puts it, and few users look


@contextmanager
def any_broker() -> Iterator[tuple[BrokerAddress, str]]:
    """Run a broker on a free loopback port; gives its address and name.

    Raises:
        BrokerError: neither mosquitto nor amqtt is installed, or the one that is does not listen.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SBIN)
    if program is None:
        with embedded_broker() as address:
            yield address, "amqtt"
        return
    with TemporaryDirectory(prefix="sonyc-bench-") as folder, _mosquitto(program, Path(folder)) as address:
        yield address, "mosquitto"


@contextmanager
def _mosquitto(program: str, folder: Path) -> Iterator[BrokerAddress]:
    address = BrokerAddress(_HOST, free_port())
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {address.port} {address.host}\nallow_anonymous true\n")
    process = subprocess.Popen(
        [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_listening(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """Give a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_listening(address: BrokerAddress, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address.host, address.port), timeout=1.0).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    raise BrokerError(f"mosquitto does not listen on {address.host}:{address.port}")
