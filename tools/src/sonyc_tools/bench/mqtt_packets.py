"""As much of MQTT 3.1.1 and 5 as it takes to see when which label was acknowledged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CONNECT: Final = 1
PUBLISH: Final = 3
PUBACK: Final = 4

_MAX_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Packet:
    """One control packet.

    Attributes:
        kind: Its type, such as `PUBLISH`.
        flags: The lower half of its first byte.
        body: What follows the length.
    """

    kind: int
    flags: int
    body: bytes

    @property
    def protocol(self) -> int:
        """Of a CONNECT: the protocol's level, 4 for 3.1.1 and 5 for 5."""
        return self.body[2 + int.from_bytes(self.body[:2])]

    @property
    def id(self) -> int:
        """Of a PUBACK, and of a PUBLISH with QoS 1."""
        start = self._after_topic if self.kind == PUBLISH else 0
        return int.from_bytes(self.body[start : start + 2])

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.flags >> 1 & 3

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        return self.body[2 : self._after_topic].decode()

    def payload(self, protocol: int) -> bytes:
        """Of a PUBLISH: what is published."""
        start = self._after_topic + (2 if self.qos else 0)
        if protocol >= 5:
            length, start = _length(self.body, start) or (0, start)
            start += length
        return self.body[start:]

    @property
    def _after_topic(self) -> int:
        return 2 + int.from_bytes(self.body[:2])


class PacketReader:
    """Cuts a stream of bytes, as it comes, into packets."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Give the packets that are whole now."""
        self._pending += data
        while (found := _length(self._pending, 1)) is not None:
            length, start = found
            if len(self._pending) < start + length:
                return
            first, body = self._pending[0], self._pending[start : start + length]
            self._pending = self._pending[start + length :]
            yield Packet(first >> 4, first & 15, body)


def _length(data: bytes, start: int) -> tuple[int, int] | None:
    """Read a variable byte integer at `start`: its value and where it ends, or None where it is not whole yet."""
    value = 0
    for index, byte in enumerate(data[start : start + _MAX_LENGTH_BYTES]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, start + index + 1
    return None
