"""Receives labels, and counts each once by its identity."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sonyc_contract.messages import LabelEvent
from sonyc_tools.errors import BrokerError

_CONNECT_DEADLINE_S = 15.0


class LabelCollector:
    """The labels received so far; safe to read while they arrive."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str, int], LabelEvent] = {}
        self._changed = threading.Condition()

    def add(self, payload: bytes) -> None:
        """Take a message from the broker; what is received twice counts once."""
        label = LabelEvent.model_validate(json.loads(payload))
        with self._changed:
            self._labels[label.node, label.session, label.seq] = label
            self._changed.notify_all()

    @property
    def labels(self) -> list[LabelEvent]:
        """Every label received, each once, in order of arrival."""
        with self._changed:
            return list(self._labels.values())

    def wait_for(self, n_labels: int, *, timeout_s: float) -> bool:
        """Wait until `n_labels` have arrived, or until the time is over; says which."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._labels) >= n_labels, timeout_s)


@contextmanager
def subscribed(host: str, port: int, topic: str) -> Iterator[LabelCollector]:
    """Collect the labels published on `topic` (QoS 1) as long as the context lasts.

    Raises:
        BrokerError: the broker does not confirm the subscription within 15 s.
    """
    from paho.mqtt.client import Client, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion

    collector, ready = LabelCollector(), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)

    def on_connect(client: Client, *_: Any) -> None:
        client.subscribe(topic, qos=1)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _userdata, message: collector.add(bytes(message.payload))
    client.connect_async(host, port)
    client.loop_start()
    try:
        if not ready.wait(_CONNECT_DEADLINE_S):
            raise BrokerError(f"no subscription to {topic!r} at {host}:{port} within {_CONNECT_DEADLINE_S:.0f} s")
        yield collector
    finally:
        client.disconnect()
        client.loop_stop()
