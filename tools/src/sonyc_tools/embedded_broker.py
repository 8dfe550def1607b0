"""An MQTT broker inside the demo's own process, so that a new machine needs no system package.

amqtt speaks MQTT 3.1.1 only and keeps nothing; it is not for the field.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sonyc_tools.errors import BrokerError

_HOST = "127.0.0.1"
_START_DEADLINE_S = 30.0


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
    try:
        import amqtt.broker  # noqa: F401
    except ImportError as error:
        raise BrokerError("the embedded broker is not installed: pip install 'sonyc-tools[demo]'") from error
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    address = BrokerAddress(_HOST, _free_port())
    started, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(address, started, stop)), name="broker", daemon=True)
    thread.start()
    if not started.wait(_START_DEADLINE_S):
        raise BrokerError(f"the embedded broker does not listen on {address.host}:{address.port}")
    try:
        yield address
    finally:
        stop.set()
        thread.join(_START_DEADLINE_S)


async def _serve(address: BrokerAddress, started: threading.Event, stop: threading.Event) -> None:
    from amqtt.broker import Broker

    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{address.host}:{address.port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    started.set()
    await asyncio.to_thread(stop.wait)
    await broker.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
