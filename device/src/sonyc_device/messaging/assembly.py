"""Makes what messages go through, as a configuration asks for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sonyc_contract.errors import ConfigError
from sonyc_contract.messages import ClockQuality
from sonyc_device.clock import Clock
from sonyc_device.config import MqttSettings, NodeConfig, OutboxSettings, TlsSettings
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.mqtt import Login, MqttMessenger
from sonyc_device.messaging.outbox import Bounds, Outbox
from sonyc_device.messaging.publisher import PublisherSettings
from sonyc_device.messaging.tls import TlsFiles, tls_context

OUTBOX_NAME: Final = "outbox.sqlite"
COMMANDS_NAME: Final = "commands.json"
MAX_PASSWORD_BYTES: Final = 65_535
"""MQTT writes a length in 16 bits."""

_DAY_S: Final = 86_400.0


def node_topic(config: NodeConfig) -> str:
    """Give what every topic of a node begins with."""
    return f"{config.mqtt.prefix}/v1/{config.node_id}"


def make_messenger(settings: MqttSettings, *, client_id: str) -> MqttMessenger:
    """Make the way to the broker.

    Raises:
        ConfigError: the password file or a file for TLS cannot be used.
    """
    login = Login(
        host=settings.host,
        port=settings.port,
        client_id=client_id,
        username=settings.username,
        password=read_password(settings.password_file),
        keepalive_s=settings.keepalive_s,
        tls=_tls_files(settings.tls),
    )
    return MqttMessenger(login, max_in_flight=settings.max_in_flight)


def make_outbox(
    settings: OutboxSettings,
    folder: Path,
    books: Books,
    *,
    clock: Clock,
    make_room: Callable[[], object],
) -> HoldingOutbox:
    """Open the outbox in the state folder, or begin without it where the disk takes nothing.

    Args:
        settings: What it holds at most.
        folder: The state folder.
        books: Where seconds are added up.
        clock: The node's clocks.
        make_room: Frees room on the disk, if it can.

    Raises:
        OutboxVersionError: it was made by a newer agent.
    """
    bounds = Bounds(settings.max_rows, settings.max_bytes, settings.max_age_days * _DAY_S)

    def open_file() -> Outbox:
        outbox = Outbox(folder / OUTBOX_NAME, bounds, books=books, now_s=lambda: clock.utc().timestamp())
        outbox.clock_is_set = lambda: clock.quality() is not ClockQuality.UNSET
        return outbox

    return HoldingOutbox(open_file, books, make_room=make_room)


def publisher_settings(config: NodeConfig) -> PublisherSettings:
    """Say how the publisher is to behave."""
    return PublisherSettings(
        topic=node_topic(config),
        keepalive_s=config.mqtt.keepalive_s,
        reconnect_max_s=config.mqtt.reconnect_max_s,
        drain_per_s=config.outbox.drain_per_s,
    )


def read_password(path: Path | None) -> str:
    """Read the password, the first line of a file; empty where there is none.

    Raises:
        ConfigError: the file cannot be read, or its first line is longer than MQTT can send.
    """
    if path is None:
        return ""
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise ConfigError(f"{path}: the broker's password cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the broker's password is not UTF-8 text") from error
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise ConfigError(f"{path}: the broker's password is longer than {MAX_PASSWORD_BYTES} bytes")
    return password


def _tls_files(settings: TlsSettings) -> TlsFiles | None:
    """Name the files, once it is known that they can be used now; they are read at every connection."""
    if not settings.enabled:
        return None
    files = TlsFiles(settings.ca_file, settings.certificate_file, settings.key_file)
    tls_context(files)
    return files
