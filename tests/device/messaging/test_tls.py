"""TLS to a real mosquitto: certificates both ways, topics by name, and everything that can be wrong with a file."""

import gc
import queue
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sonyc_contract.errors import ConfigError
from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Refused, Will
from sonyc_device.messaging.mqtt import Login, MqttMessenger
from sonyc_device.messaging.tls import TlsFiles, certificate_expires, tls_context
from support.broker import Mosquitto
from support.certificates import Authority, protect_key
from support.processes import unprivileged
from support.system_packages import require_system


@dataclass
class Fleet:
    """An authority, and a broker that knows its nodes by their certificates."""

    authority: Authority
    broker: Mosquitto

    def files(self, node: str = "node-1", *, days: int = 2) -> TlsFiles:
        own = self.authority.issue(node, days=days)
        return TlsFiles(self.authority.certificate, own.certificate, own.key)

    def messenger(self, files: TlsFiles | None, *, host: str = "127.0.0.1", node: str = "node-1") -> MqttMessenger:
        return MqttMessenger(Login(host, self.broker.port, node, tls=files), max_in_flight=20, connect_timeout_s=3.0)


def make_broker(folder: Path, authority: Authority, host: str = "127.0.0.1", *, days: int = 2) -> Mosquitto:
    """A broker as the field has it: certificates both ways, each node below its own topic."""
    require_system("mosquitto")
    own = authority.issue("broker", host=host, days=days)
    rules = folder / "acl"
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text("pattern write sonyc/v1/%u/#\npattern read sonyc/v1/%u/cmd/#\n")
    rules.chmod(0o600)
    settings = [
        *(f"cafile {authority.certificate}", f"certfile {own.certificate}", f"keyfile {own.key}"),
        *("require_certificate true", "use_identity_as_username true", "allow_anonymous false", f"acl_file {rules}"),
    ]
    return Mosquitto(folder / "mosquitto", settings)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


@pytest.fixture
def fleet(tmp_path: Path, authority: Authority) -> Iterator[Fleet]:
    broker = make_broker(tmp_path, authority)
    broker.start()
    yield Fleet(authority, broker)
    broker.stop()


def test_node_is_known_by_its_certificate_and_writes_below_its_own_topic_only(fleet: Fleet) -> None:
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    will = Will("sonyc/v1/node-1/state", b"gone")
    link = fleet.messenger(fleet.files()).connect(events.put, will=will)
    own = link.send("sonyc/v1/node-1/label", b"{}")
    assert events.get(timeout=10) == Acknowledged(own)
    others = link.send("sonyc/v1/node-2/label", b"{}")
    assert events.get(timeout=10) == Refused(others, "Not authorized")
    link.close()
    log = fleet.broker.log.read_text()
    assert "as node-1 (p5, c1, k60, u'node-1')" in log


def test_node_without_a_certificate_is_turned_away(fleet: Fleet) -> None:
    files = TlsFiles(fleet.authority.certificate)
    with pytest.raises(MessengerError, match=r"refused: hung up without an answer|not reached: .*certificate required"):
        fleet.messenger(files).connect(lambda _event: None)


def test_node_with_an_expired_certificate_says_that_it_is_expired(fleet: Fleet) -> None:
    files = fleet.files("node-old", days=-1)
    with pytest.raises(MessengerError, match=r"this node's certificate .*node-old\.pem expired at 20"):
        fleet.messenger(files).connect(lambda _event: None)


def test_node_of_another_authority_is_told_where_to_look(fleet: Fleet, tmp_path: Path) -> None:
    own = Authority(tmp_path / "other", "other").issue("node-1")
    files = TlsFiles(fleet.authority.certificate, own.certificate, own.key)
    with pytest.raises(MessengerError, match="it may not trust this node's certificate"):
        fleet.messenger(files).connect(lambda _event: None)


def test_broker_of_another_authority_is_not_trusted(fleet: Fleet, tmp_path: Path) -> None:
    files = TlsFiles(Authority(tmp_path / "other", "other").certificate)
    with pytest.raises(MessengerError, match=r"not reached: .*certificate verify failed"):
        fleet.messenger(files).connect(lambda _event: None)


def test_systems_authorities_do_not_know_ours(fleet: Fleet) -> None:
    with pytest.raises(MessengerError, match="certificate verify failed"):
        fleet.messenger(TlsFiles()).connect(lambda _event: None)


@pytest.mark.parametrize(
    ("host", "days", "reason"),
    [("10.1.2.3", 2, "IP address mismatch"), ("other.example", 2, "IP address mismatch"), ("127.0.0.1", -1, "expired")],
)
def test_broker_with_a_wrong_certificate_is_not_trusted(
    host: str, days: int, reason: str, tmp_path: Path, authority: Authority
) -> None:
    broker = make_broker(tmp_path, authority, host, days=days)
    broker.start()
    fleet = Fleet(authority, broker)
    with pytest.raises(MessengerError, match=rf"not reached: .*{reason}"):
        fleet.messenger(fleet.files()).connect(lambda _event: None)
    broker.stop()


def test_plain_client_at_a_port_with_tls_and_the_other_way_round(fleet: Fleet, mosquitto: Mosquitto) -> None:
    with pytest.raises(MessengerError, match=r"hung up without an answer|did not answer"):
        fleet.messenger(None).connect(lambda _event: None)
    plain = Fleet(fleet.authority, mosquitto)
    with pytest.raises(MessengerError, match="not reached: "):
        plain.messenger(fleet.files()).connect(lambda _event: None)


def test_broker_that_never_says_hello_is_given_up(authority: Authority) -> None:
    own = authority.issue("node-1")
    files = TlsFiles(authority.certificate, own.certificate, own.key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        login = Login("127.0.0.1", server.getsockname()[1], "node-1", tls=files)
        with pytest.raises(MessengerError, match=r"not reached: .*timed out"):
            MqttMessenger(login, max_in_flight=20, connect_timeout_s=0.3).connect(lambda _event: None)


def test_certificates_are_read_anew_at_every_connection(fleet: Fleet, tmp_path: Path) -> None:
    files = fleet.files()
    assert files.certificate_file is not None
    way = fleet.messenger(files)
    way.connect(lambda _event: None).close()
    kept = files.certificate_file.read_bytes()
    files.certificate_file.unlink()
    with pytest.raises(MessengerError, match=r"node-1\.pem: the certificate cannot be read: No such file"):
        way.connect(lambda _event: None)
    files.certificate_file.write_bytes(kept)
    way.connect(lambda _event: None).close()


def test_failed_handshakes_leave_no_socket_open(fleet: Fleet, tmp_path: Path) -> None:
    way = fleet.messenger(TlsFiles(Authority(tmp_path / "other", "other").certificate))
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    errors = []
    for _ in range(5):
        with pytest.raises(MessengerError) as caught:
            way.connect(lambda _event: None)
        errors.append(caught.value)  # and its frames, as a log or a test may keep them
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def _missing(path: Path) -> Path:
    path.unlink()
    return path


def _text(path: Path) -> Path:
    path.write_text("no certificate")
    return path


def _folder(path: Path) -> Path:
    path.unlink()
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("which", "damage", "message"),
    [
        ("ca", _missing, r"authority\.pem: the broker's certificate authority cannot be read: No such file"),
        ("ca", _text, r"authority\.pem: holds no certificate authority in PEM"),
        ("ca", _folder, r"authority\.pem: the broker's certificate authority cannot be read: Is a directory"),
        ("certificate", _missing, r"node-1\.pem: the certificate cannot be read: No such file"),
        ("certificate", _text, r"node-1\.pem: holds no certificate in PEM"),
        ("key", _missing, r"node-1\.key: the key cannot be read: No such file"),
        ("key", _text, r"node-1\.key: holds no key in PEM"),
        ("key", lambda path: protect_key(path, "secret"), r"node-1\.protected: the key is protected by a password"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    which: str, damage: Callable[[Path], Path], message: str, authority: Authority
) -> None:
    own = authority.issue("node-1")
    files = {"ca": authority.certificate, "certificate": own.certificate, "key": own.key}
    files[which] = damage(files[which])
    with pytest.raises(ConfigError, match=message) as caught:
        tls_context(TlsFiles(files["ca"], files["certificate"], files["key"]))
    assert "\n" not in str(caught.value)


def test_key_that_may_not_be_read_is_named(authority: Authority) -> None:
    own = authority.issue("node-1")
    own.key.chmod(0)
    code = (
        "import sys, pathlib; from sonyc_device.messaging.tls import TlsFiles, tls_context\n"
        "tls_context(TlsFiles(*map(pathlib.Path, sys.argv[1:])))"
    )
    paths = [str(authority.certificate), str(own.certificate), str(own.key)]
    done = subprocess.run(
        unprivileged([sys.executable, "-c", code, *paths]), capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith(f"ConfigError: {own.key}: the key cannot be read: Permission denied\n")


def test_key_of_another_certificate_is_named(authority: Authority) -> None:
    own, other = authority.issue("node-1"), authority.issue("node-2")
    with pytest.raises(ConfigError, match=r"node-2\.key: is not the key of the certificate .*node-1\.pem"):
        tls_context(TlsFiles(authority.certificate, own.certificate, other.key))


def test_key_may_lie_beside_its_certificate(authority: Authority) -> None:
    own = authority.issue("node-1")
    own.certificate.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
    context = tls_context(TlsFiles(authority.certificate, own.certificate))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_end_of_a_certificate_is_read_out_of_it(authority: Authority) -> None:
    expires = certificate_expires(authority.issue("node-1", days=30).certificate)
    assert abs(expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=5)
    late = certificate_expires(authority.issue("node-late", days=36_500).certificate)
    assert late.year > 2100, "beyond 2049 the year has four digits"
    gone = certificate_expires(authority.issue("node-old", days=-1).certificate)
    assert gone < datetime.now(UTC)
