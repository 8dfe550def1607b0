"""TLS to the broker: which certificates are trusted, and which one this node shows."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sonyc_contract.errors import ConfigError

_UTC_TIME: Final = 0x17
"""ASN.1's tag of a time with two digits of the year; the other kind has four."""
_VERSION: Final = 0xA0


@dataclass(frozen=True)
class TlsFiles:
    """PEM files.

    Attributes:
        ca_file: Who may sign the broker's certificate; None is whom the system trusts.
        certificate_file: This node's certificate, and those between it and its authority; None where it shows none.
        key_file: Its key; None where it lies in the same file.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class TlsContext(ssl.SSLContext):
    """A context for one connection, which remembers its socket: paho leaves it open when the handshake fails."""

    connection: ssl.SSLSocket | None = None

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap a socket as the base does."""
        self.connection = super().wrap_socket(sock, *arguments, **options)
        return self.connection


def tls_context(files: TlsFiles) -> TlsContext:
    """Read the files. The broker's name and certificate are always checked, from TLS 1.2 on.

    Raises:
        ConfigError: a file is missing, unreadable, or not what it should be; the message names it.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca_file is None:
        context.load_default_certs()
    else:
        _load_authorities(context, files.ca_file)
    if files.certificate_file is not None:
        _load_own(context, files.certificate_file, files.key_file)
    return context


def certificate_expires(path: Path) -> datetime:
    """Say until when a certificate is valid: the first one in a PEM file.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    text = _read(path, "certificate").decode("ascii", "replace")
    begin = text.find(ssl.PEM_HEADER)
    end = text.find(ssl.PEM_FOOTER, begin)
    try:
        der = ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])
        return _not_after(der)
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{path}: holds no certificate in PEM") from error


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    _read(path, "broker's certificate authority")
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{path}: holds no certificate authority in PEM: {error}") from error


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    certificate_expires(certificate)
    _read(key or certificate, "key")

    def no_password() -> str:  # OpenSSL would ask for it on the terminal
        raise ConfigError(f"{key or certificate}: the key is protected by a password, which nobody can enter here")

    try:
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"{key or certificate}: is not the key of the certificate {certificate}") from error
        raise ConfigError(f"{key or certificate}: holds no key in PEM: {error}") from error
    except OSError as error:
        raise ConfigError(f"{certificate}: cannot be read: {error.strerror or error}") from error


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the {what} cannot be read: {error.strerror or error}") from error


def _not_after(der: bytes) -> datetime:
    """Read the end of validity out of a certificate (RFC 5280, 4.1): version, serial, algorithm, issuer, validity."""
    _, start, _ = _element(der, 0)
    _, position, _ = _element(der, start)
    tag, _, end = _element(der, position)
    if tag == _VERSION:
        position = end
    for _ in range(3):
        _, _, position = _element(der, position)
    _, position, _ = _element(der, position)
    _, _, position = _element(der, position)
    tag, start, end = _element(der, position)
    digits = der[start:end].decode("ascii")
    return datetime.strptime(digits, "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes, position: int) -> tuple[int, int, int]:
    """Give tag, start and end of the content of the ASN.1 element at `position`."""
    tag, length, start = der[position], der[position + 1], position + 2
    if length & 0x80:
        n = length & 0x7F
        length = int.from_bytes(der[start : start + n])
        start += n
    return tag, start, start + length
