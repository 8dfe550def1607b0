"""A broker that misbehaves as it is told: enough of MQTT 5 and 3.1.1 to be connected to and published to with QoS 1."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from types import TracebackType

from support.processes import wait_until


class Conduct(Enum):
    """How it behaves."""

    SOUND = auto()
    """Acknowledges everything."""
    MUTE = auto()
    """Accepts the connection, and never says a word."""
    REFUSING = auto()
    """Refuses every login."""
    DYING = auto()
    """Hangs up between a message and its acknowledgement."""
    SILENT = auto()
    """Takes messages, and never acknowledges one."""


@dataclass(frozen=True)
class Published:
    """A message that came."""

    topic: str
    payload: bytes


CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12
_V5 = 5


class ScriptedBroker:
    """Listens on a free port of the loopback interface; use as context.

    Attributes:
        port: Where.
        conduct: How it behaves from now on, also to those who are connected.
        acknowledged: What came and was acknowledged.
        n_provoked: How often it misbehaved.
    """

    host = "127.0.0.1"

    def __init__(self, conduct: Conduct = Conduct.SOUND, *, port: int = 0) -> None:
        self.conduct = conduct
        self.acknowledged: list[Published] = []
        self.n_provoked = 0
        self._listener = socket.create_server((self.host, port))
        self.port = int(self._listener.getsockname()[1])
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "ScriptedBroker":
        self._run(self._accept_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def hang_up(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            _end(connection)

    def wait_for_fault(self, n: int = 1, *, timeout_s: float = 30.0) -> None:
        """Wait until it has misbehaved so often."""
        wait_until(lambda: self.n_provoked >= n, what=f"{n} faults of the broker", timeout_s=timeout_s)

    def payloads(self, kind: str) -> list[bytes]:
        """What it has acknowledged of a kind of message."""
        return [message.payload for message in list(self.acknowledged) if message.topic.endswith(f"/{kind}")]

    def _accept_all(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._run(partial(self._serve, connection))

    def _run(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        is_v5 = False
        with connection, suppress(OSError):
            for kind, flags, body in _packets(connection):
                if kind == CONNECT:
                    is_v5 = body[6] == _V5
                self._answer(connection, kind, flags, body, is_v5=is_v5)

    def _answer(self, connection: socket.socket, kind: int, flags: int, body: bytes, *, is_v5: bool) -> None:
        if self.conduct is Conduct.MUTE:
            self.n_provoked += 1
        elif kind == CONNECT:
            self._answer_connect(connection, is_v5=is_v5)
        elif kind == SUBSCRIBE:
            connection.sendall(bytes([0x90, 4, *body[:2], 0, 1]) if is_v5 else bytes([0x90, 3, *body[:2], 1]))
        elif kind == PINGREQ:
            connection.sendall(bytes([0xD0, 0]))
        elif kind == PUBLISH:
            self._answer_publish(connection, flags, body, is_v5=is_v5)

    def _answer_connect(self, connection: socket.socket, *, is_v5: bool) -> None:
        is_refused = self.conduct is Conduct.REFUSING
        self.n_provoked += is_refused
        code = (0x86 if is_v5 else 4) if is_refused else 0
        connection.sendall(bytes([0x20, 3, 0, code, 0]) if is_v5 else bytes([0x20, 2, 0, code]))

    def _answer_publish(self, connection: socket.socket, flags: int, body: bytes, *, is_v5: bool) -> None:
        n_topic = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + n_topic].decode(), body[2 + n_topic :]
        qos = flags >> 1 & 3
        message_id, rest = (rest[:2], rest[2:]) if qos else (b"", rest)
        if self.conduct is Conduct.DYING:
            self.n_provoked += 1
            _end(connection)
        elif self.conduct is Conduct.SILENT:
            self.n_provoked += 1
        else:
            self.acknowledged.append(Published(topic, rest[1 + rest[0] :] if is_v5 else rest))
            if qos:
                connection.sendall(bytes([0x40, 2, *message_id]))


def _packets(connection: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and body of each packet."""
    with connection.makefile("rb") as stream:
        while head := stream.read(1):
            n_bytes = shift = 0
            while True:
                (part,) = stream.read(1)
                n_bytes |= (part & 0x7F) << shift
                shift += 7
                if not part & 0x80:
                    break
            yield head[0] >> 4, head[0] & 0x0F, stream.read(n_bytes)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it is at its end already
        connection.shutdown(socket.SHUT_RDWR)
