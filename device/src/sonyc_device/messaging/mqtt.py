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
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from sonyc_contract.commands import MAX_COMMAND_BYTES
from sonyc_contract.errors import ConfigError
from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Link, Lost, Received, Refused, Will
from sonyc_device.messaging.tls import TlsContext, TlsFiles, certificate_expires, tls_context

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

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
    tls: TlsFiles | None = None


class MqttMessenger:
    """Connects to one broker, each time with MQTT 5 first.

    3.1.1 is not kept to where the broker refuses 5: in it a broker acknowledges what it forbids, and drops it, as
    mosquitto 2.0 does. It is kept to where the broker does not even answer in 5: amqtt takes a last will in it for the
    length of something, and waits for the rest.
    """

    def __init__(self, login: Login, *, max_in_flight: int, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._login = login
        self._max_in_flight = max_in_flight
        self._connect_timeout_s = connect_timeout_s
        self._is_deaf_to_5 = False

    def connect(self, deliver: Callable[[Event], None], *, will: Will | None = None) -> Link:
        """Connect with MQTT 5; where the broker refuses that version or does not answer, with 3.1.1.

        Raises:
            MessengerError: the broker is not reached, does not answer in time, or refuses; or a file for TLS cannot be
                used.
        """
        if not self._is_deaf_to_5:
            try:
                return self._connect_with("MQTTv5", deliver, will)
            except (_VersionRefusedError, _NoAnswerError) as error:
                _LOGGER.info("%s; trying MQTT 3.1.1", error)
                is_deaf = isinstance(error, _NoAnswerError)
        else:
            self._is_deaf_to_5, is_deaf = False, True
        link = self._connect_with("MQTTv311", deliver, will)
        self._is_deaf_to_5 = is_deaf
        return link

    def _connect_with(self, version: str, deliver: Callable[[Event], None], will: Will | None) -> Link:
        link = _PahoLink(self._login, version, self._max_in_flight, deliver, will)
        try:
            link.open(self._connect_timeout_s)
        except BaseException:
            link.close()
            raise
        _LOGGER.info("connected to broker %s:%d with %s", self._login.host, self._login.port, version)
        return link


class _VersionRefusedError(MessengerError):
    """The broker does not speak this version of the protocol, or hung up instead of saying so."""


class _NoAnswerError(MessengerError):
    """The broker accepted the connection, and then said nothing."""


class _PahoLink:
    """One paho client for one connection; its callbacks only pass on what happened."""

    def __init__(
        self,
        login: Login,
        version: str,
        max_in_flight: int,
        deliver: Callable[[Event], None],
        will: Will | None,
    ) -> None:
        self._login = login
        self._max_in_flight = max_in_flight
        self._deliver = deliver
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._is_accepted = False
        self._is_closed = threading.Event()
        self._client = _make_client(login, version)
        self._is_v5 = version == "MQTTv5"
        self._tls: TlsContext | None = None
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=_QOS, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    @property
    def max_in_flight(self) -> int:
        """The configured number, or the broker's receive maximum where that is less."""
        return self._max_in_flight

    def open(self, timeout_s: float) -> None:
        """Connect, and wait for the broker's answer."""
        self._client.connect_timeout = timeout_s
        name = f"{self._login.host}:{self._login.port}"
        self._connect(name)
        self._client.loop_start()
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise _NoAnswerError(
                f"broker {name} accepted the connection but did not answer in {timeout_s:g} s"
            ) from None
        if answer.refusal:
            kind = _VersionRefusedError if answer.is_about_version else MessengerError
            raise kind(f"broker {name} refused: {answer.refusal}{self._certificate_hint()}")
        if answer.receive_maximum is not None:
            self._max_in_flight = min(self._max_in_flight, answer.receive_maximum)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand a message to paho; its message id is the ticket."""
        from paho.mqtt.enums import MQTTErrorCode

        info = self._client.publish(topic, payload, qos=_QOS, retain=retain)
        if info.rc in {MQTTErrorCode.MQTT_ERR_NO_CONN, MQTTErrorCode.MQTT_ERR_CONN_LOST}:
            raise MessengerError("not sent: connection lost")
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise MessengerError(f"not sent: {info.rc.name}")
        return info.mid

    def subscribe(self, topic: str) -> int:
        """Ask paho to subscribe; the message id is the ticket."""
        from paho.mqtt.subscribeoptions import SubscribeOptions

        if self._is_v5:  # what is retained is marked so when it comes at once, too
            options = SubscribeOptions(qos=_QOS, noLocal=True, retainAsPublished=True)
            code, mid = self._client.subscribe(topic, options=options)
        else:
            code, mid = self._client.subscribe(topic, qos=_QOS)
        if mid is None:
            raise MessengerError(f"not subscribed: {code.name}")
        return mid

    def close(self) -> None:
        """Say goodbye, and hang up if that takes too long."""
        self._deliver = _ignore
        connection = self._client.socket()
        self._client.disconnect()
        if connection is not None and not self._is_closed.wait(_CLOSE_TIMEOUT_S):
            # paho's thread would wait for a silent broker until the keep-alive has run out.
            with suppress(OSError):
                cast(socket.socket, connection).shutdown(socket.SHUT_RDWR)
            self._is_closed.wait(_CLOSE_TIMEOUT_S)
        self._release()

    def _connect(self, name: str) -> None:
        try:
            if self._login.tls is not None:
                self._tls = tls_context(self._login.tls)
                self._client.tls_set_context(self._tls)
            # No properties: amqtt, which knows no MQTT 5, takes them for the length of a name and waits for the rest.
            self._client.connect(self._login.host, self._login.port, keepalive=self._login.keepalive_s)
        except ConfigError as error:
            raise MessengerError(f"broker {name} not reached: {error}") from error
        except (OSError, ValueError) as error:
            raise MessengerError(f"broker {name} not reached: {error}{self._certificate_hint()}") from error

    def _certificate_hint(self) -> str:
        """Say when this node's certificate is out of date, which the broker's refusal does not."""
        path = self._login.tls.certificate_file if self._login.tls else None
        if path is None:
            return ""
        try:
            expires = certificate_expires(path)
        except ConfigError as error:
            return f"; {error}"
        if expires < datetime.now(UTC):
            return f"; this node's certificate {path} expired at {expires:%Y-%m-%dT%H:%M:%SZ}"
        return "; it may not trust this node's certificate"

    def _release(self) -> None:
        """Close what paho leaves to the collector: a night without a broker would use up all file descriptors."""
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_subscribe = client.on_message = None
        if self._tls is not None and self._tls.connection is not None and client.socket() is None:
            self._tls.connection.close()
        if self._is_closed.is_set():
            client.loop_stop()  # paho's thread is at its end
            client._reset_sockets()

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
        self._deliver(Refused(mid, str(reason)) if reason.is_failure else Acknowledged(mid))

    def _on_subscribe(self, _client: "Client", _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        refusal = next((str(reason) for reason in reasons if reason.is_failure), None)
        self._deliver(Acknowledged(mid) if refusal is None else Refused(mid, refusal))

    def _on_message(self, _client: "Client", _data: Any, message: "MQTTMessage") -> None:
        payload = bytes(message.payload[: MAX_COMMAND_BYTES + 1])  # one more shows that it was too long
        self._deliver(Received(message.topic, payload, message.retain))


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
