"""Enough of MQTT's packets to see what is acknowledged."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_tools.bench.mqtt_packets import CONNECT, PUBACK, PUBLISH, Packet, PacketReader

_TOPIC = "sonyc/v1/bench-node/label"


def _length(n: int) -> bytes:
    found = b""
    while True:
        n, low = divmod(n, 128)
        found += bytes([low | (128 if n else 0)])
        if not n:
            return found


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + _length(len(body)) + body


def _publish(packet_id: int, payload: bytes, *, protocol: int) -> bytes:
    name = len(_TOPIC).to_bytes(2) + _TOPIC.encode()
    properties = _length(7) + b"\x01\x01\x02\x00\x00\x00\x3c" if protocol == 5 else b""
    return _packet(PUBLISH, 2, name + packet_id.to_bytes(2) + properties + payload)


@pytest.mark.parametrize("protocol", [4, 5])
def test_published_message(protocol: int) -> None:
    (packet,) = PacketReader().feed(_publish(77, b'{"a": 1}', protocol=protocol))
    assert (packet.kind, packet.qos, packet.id, packet.topic) == (PUBLISH, 1, 77, _TOPIC)
    assert packet.payload(protocol) == b'{"a": 1}'


def test_protocol_of_a_connection() -> None:
    (packet,) = PacketReader().feed(_packet(CONNECT, 0, b"\x00\x04MQTT\x05\x02\x00\x3c"))
    assert (packet.kind, packet.protocol) == (CONNECT, 5)


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 2_000), max_size=8))
def test_packets_survive_any_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(_publish(k + 1, payload, protocol=5) for k, payload in enumerate(payloads))
    stream += _packet(PUBACK, 0, b"\x00\x05") + _packet(12, 0, b"")
    reader, found = PacketReader(), list[Packet]()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(edges):
        found += reader.feed(stream[start:end])
    assert [packet.payload(5) for packet in found[:-2]] == payloads
    assert [(packet.kind, packet.id) for packet in found[-2:]] == [(PUBACK, 5), (12, 0)]
