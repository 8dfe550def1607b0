"""amqtt, a broker that speaks MQTT 3.1.1 only, in a process of its own."""

import subprocess
import sys
from importlib import util
from types import TracebackType

import pytest

from support.broker import free_port
from support.processes import end, wait_until

_PROGRAM = """
import asyncio, sys
from amqtt.broker import Broker

async def serve():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


class EmbeddedBroker:
    """A running amqtt; use as context. Skips the test where amqtt is not installed."""

    def __init__(self) -> None:
        if util.find_spec("amqtt") is None:
            pytest.skip("amqtt is not installed in this environment")
        self.port = free_port()

    def __enter__(self) -> "EmbeddedBroker":
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        wait_until(lambda: b"ready" in self._process.stdout.readline(), what="amqtt")  # type: ignore[union-attr]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        assert self._process.stdout is not None
        self._process.stdout.close()
