"""A subscriber that keeps what it receives."""

import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


@dataclass
class Subscriber:
    """A client with a session that outlives the broker's absence, so that it misses nothing; use as context."""

    port: int
    topic: str
    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311
    messages: list[MQTTMessage] = field(default_factory=list)
    client_id: str = "subscriber"
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._is_subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=self.client_id, clean_session=False, protocol=self.protocol
        )
        if self.tls is not None:
            self._client.tls_set_context(self.tls)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        if not self._is_subscribed.wait(20):
            raise TimeoutError(f"no subscription to {self.topic} on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def payloads(self) -> list[bytes]:
        """What was received, in order."""
        return [bytes(message.payload) for message in list(self.messages)]

    def wait_for(self, n: int, *, timeout_s: float = 30.0) -> None:
        """Wait until `n` messages are there.

        Raises:
            TimeoutError: they were not in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.messages) >= n, timeout_s):
                raise TimeoutError(f"{len(self.messages)} of {n} messages within {timeout_s:g} s")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1, and wait until the broker has it.

        Raises:
            TimeoutError: it had it not within 20 s.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        info.wait_for_publish(20)
        if not info.is_published():
            raise TimeoutError(f"not published: {topic}")

    def _on_connect(self, client: Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        client.subscribe(self.topic, qos=1)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, _reasons: Any, _properties: Any) -> None:
        self._is_subscribed.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
