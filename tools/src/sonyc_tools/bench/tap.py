"""Stands between an agent and its broker, and notes when the broker acknowledged which label."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sonyc_tools.bench.mqtt_packets import CONNECT, PUBACK, PUBLISH, Packet, PacketReader
from sonyc_tools.embedded_broker import BrokerAddress

_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Acknowledged:
    """A label whose PUBACK came.

    Attributes:
        label: The message, parsed.
        at_s: When, in seconds since the epoch.
    """

    label: dict[str, Any]
    at_s: float


class Tap:
    """What went past; safe to read while more does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._protocol = 4
        self._in_flight: dict[int, dict[str, Any]] = {}
        self._acknowledged: list[Acknowledged] = []

    @property
    def acknowledged(self) -> list[Acknowledged]:
        """The labels that the broker has, in order of their PUBACKs."""
        with self._lock:
            return list(self._acknowledged)

    def sent(self, packet: Packet) -> None:
        """Look at a packet of the agent's."""
        with self._lock:
            if packet.kind == CONNECT:
                self._protocol = packet.protocol
            elif packet.kind == PUBLISH and packet.qos and packet.topic.endswith("/label"):
                self._in_flight[packet.id] = json.loads(packet.payload(self._protocol))

    def received(self, packet: Packet) -> None:
        """Look at a packet of the broker's."""
        now_s = time.time()
        with self._lock:
            if packet.kind == PUBACK and packet.id in self._in_flight:
                self._acknowledged.append(Acknowledged(self._in_flight.pop(packet.id), now_s))


@contextmanager
def tapped(broker: BrokerAddress) -> Iterator[tuple[BrokerAddress, Tap]]:
    """Listen on a free loopback port and pass everything on to `broker`, as long as the context lasts."""
    tap = Tap()
    with socket.create_server((broker.host, 0)) as server:
        accepting = threading.Thread(target=_accept_all, args=(server, broker, tap), daemon=True)
        accepting.start()
        try:
            yield BrokerAddress(broker.host, server.getsockname()[1]), tap
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept_all(server: socket.socket, broker: BrokerAddress, tap: Tap) -> None:
    with suppress(OSError):  # the end of the context
        while True:
            agent, _ = server.accept()
            upstream = socket.create_connection((broker.host, broker.port))
            for one, other, look in ((agent, upstream, tap.sent), (upstream, agent, tap.received)):
                threading.Thread(target=_pass_on, args=(one, other, look), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, look: Callable[[Packet], None]) -> None:
    reader = PacketReader()
    with source, suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            for packet in reader.feed(data):  # before it is passed on: its answer must find it noted
                look(packet)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
