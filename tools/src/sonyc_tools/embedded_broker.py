"""An MQTT broker as a child of the demo, so that a new machine needs no system package.

amqtt speaks MQTT 3.1.1 only and keeps nothing; it is not for the field. It has a process of its own, because it leaves
connections unclosed when it shuts down.
"""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util

from sonyc_tools.errors import BrokerError

_HOST = "127.0.0.1"
_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 5.0
_POLL_S = 0.05


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker listens."""

    host: str
    port: int


@contextmanager
def embedded_broker() -> Iterator[BrokerAddress]:
    """Run a broker on a free loopback port as long as the context lasts.

    Raises:
        BrokerError: amqtt is not installed, or it does not listen within 30 s.
    """
    if util.find_spec("amqtt") is None:
        raise BrokerError("the embedded broker is not installed: pip install 'sonyc-tools[demo]'")
    address = BrokerAddress(_HOST, _free_port())
    command = [sys.executable, "-m", "sonyc_tools.embedded_broker", str(address.port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_listening(address, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(address: BrokerAddress, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address.host, address.port), timeout=_POLL_S).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    raise BrokerError(f"the embedded broker does not listen on {address.host}:{address.port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


async def _serve(port: int) -> None:
    from amqtt.broker import Broker

    logging.disable()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{_HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    await Broker(config).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
