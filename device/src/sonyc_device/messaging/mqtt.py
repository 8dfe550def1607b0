"""The messenger over paho-mqtt: MQTT 5, with 3.1.1 where the broker refuses it.

paho keeps nothing across a connection here: each connection is a new client, and what it had not delivered is still in
the outbox. So none of its own queues can duplicate, drop or re-order a message.
"""

import logging
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Link, Lost

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_LOGGER = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 0.5
_QOS: Final = 1


@dataclass(frozen=True)
class Login:
    """Where the broker is, and as whom to connect."""

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    keepalive_s: int = 60


class MqttMessenger:
    """Connects to one broker, each time with MQTT 5 first.

    3.1.1 is not kept to for good: in it a broker acknowledges what it forbids, and drops it (mosquitto 2.0 does).
    """

    def __init__(self, login: Login, *, max_in_flight: int, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._login = login
        self._max_in_flight = max_in_flight
        self._connect_timeout_s = connect_timeout_s

    def connect(self, deliver: Callable[[Event], None]) -> Link:
        """Connect with MQTT 5; where the broker refuses that version, with 3.1.1.

        Raises:
            MessengerError: the broker is not reached, does not answer in time, or refuses.
        """
        try:
            return self._connect_with("MQTTv5", deliver)
        except _VersionRefusedError as error:
            _LOGGER.info("%s; trying MQTT 3.1.1", error)
        return self._connect_with("MQTTv311", deliver)

    def _connect_with(self, version: str, deliver: Callable[[Event], None]) -> Link:
        link = _PahoLink(self._login, version, self._max_in_flight, deliver)
        try:
            link.open(self._connect_timeout_s)
        except BaseException:
            link.close()
            raise
        _LOGGER.info("connected to broker %s:%d with %s", self._login.host, self._login.port, version)
        return link


class _VersionRefusedError(MessengerError):
    """The broker does not speak this version of the protocol, or hung up instead of saying so."""


class _PahoLink:
    """One paho client for one connection; its callbacks only pass on what happened."""

    def __init__(
        self,
        login: Login,
        version: str,
        max_in_flight: int,
        deliver: Callable[[Event], None],
    ) -> None:
        self._login = login
        self._max_in_flight = max_in_flight
        self._deliver = deliver
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._is_accepted = False
        self._is_closed = threading.Event()
        self._client = _make_client(login, version)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish

    @property
    def max_in_flight(self) -> int:
        """The configured number, or the broker's receive maximum where that is less."""
        return self._max_in_flight

    def open(self, timeout_s: float) -> None:
        """Connect, and wait for the broker's answer."""
        self._client.connect_timeout = timeout_s
        name = f"{self._login.host}:{self._login.port}"
        try:
            self._client.connect(self._login.host, self._login.port, keepalive=self._login.keepalive_s)
        except (OSError, ValueError) as error:
            raise MessengerError(f"broker {name} not reached: {error}") from error
        self._client.loop_start()
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise MessengerError(
                f"broker {name} accepted the connection but did not answer in {timeout_s:g} s"
            ) from None
        if answer.refusal:
            kind = _VersionRefusedError if answer.is_about_version else MessengerError
            raise kind(f"broker {name} refused: {answer.refusal}")
        if answer.receive_maximum is not None:
            self._max_in_flight = min(self._max_in_flight, answer.receive_maximum)

    def send(self, topic: str, payload: bytes) -> int:
        """Hand a message to paho; its message id is the ticket."""
        from paho.mqtt.enums import MQTTErrorCode

        info = self._client.publish(topic, payload, qos=_QOS, retain=False)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise MessengerError(f"not sent: {info.rc.name}")
        return info.mid

    def close(self) -> None:
        """Say goodbye, and hang up if that takes too long."""
        self._deliver = _ignore
        connection = self._client.socket()
        self._client.disconnect()
        if connection is not None and not self._is_closed.wait(_CLOSE_TIMEOUT_S):
            # paho's thread would wait for a silent broker until the keep-alive has run out.
            with suppress(OSError):
                cast(socket.socket, connection).shutdown(socket.SHUT_RDWR)
        # Without this cycle of references the client goes now, and its two sockets with it, not whenever the collector
        # comes by: a night without a broker would use up all file descriptors.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None

    def _on_connect(self, _client: "Client", _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._answers.put(_Answer(str(reason), is_about_version=reason.getName() == _UNSUPPORTED_VERSION))
        else:
            self._is_accepted = True
            self._answers.put(_Answer(receive_maximum=getattr(properties, "ReceiveMaximum", None)))

    def _on_disconnect(self, _client: "Client", _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._is_accepted:
            self._deliver(Lost(f"connection lost: {reason}"))
        elif reason.getName() != _KEEP_ALIVE_TIMEOUT:
            # Some brokers hang up on a version that they do not know. (A silent one is `open`'s to give up.)
            self._answers.put(_Answer(f"hung up without an answer ({reason})", is_about_version=True))
        self._is_closed.set()

    def _on_publish(self, _client: "Client", _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._deliver(Lost(f"the broker refused a message: {reason}"))
        else:
            self._deliver(Acknowledged(mid))


_UNSUPPORTED_VERSION = "Unsupported protocol version"
_KEEP_ALIVE_TIMEOUT = "Keep alive timeout"


@dataclass(frozen=True)
class _Answer:
    """What the broker said to a connection."""

    refusal: str = ""
    is_about_version: bool = False
    receive_maximum: int | None = None


def _ignore(_event: Event) -> None:
    """Take an event of a link that nobody uses any more."""


def _make_client(login: Login, version: str) -> "Client":
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    except ImportError as error:
        raise MessengerError("paho-mqtt is not installed: pip install 'sonyc-device[node]'") from error
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=login.client_id,
        protocol=MQTTProtocolVersion[version],
        reconnect_on_failure=False,
    )
    client.max_inflight_messages_set(0)  # the publisher counts; here nothing may queue
    if login.username:
        client.username_pw_set(login.username, login.password)
    return client
