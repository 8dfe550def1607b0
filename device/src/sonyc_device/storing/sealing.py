"""Encrypts clips to the operator's age recipients, before they reach the disk."""

from collections.abc import Sequence
from typing import Any

from sonyc_contract.errors import ConfigError
from sonyc_contract.stored import fingerprint
from sonyc_device.config import StoreSettings
from sonyc_device.errors import StoreError


class Clear:
    """Clips are written as they are: anybody with the card can hear them."""


class Sealer:
    """Seals bytes so that only the recipients' key files open them; this node has none of those.

    Attributes:
        fingerprints: Of each recipient the first 16 hexadecimal digits of its text's SHA-256.
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        """Read the recipients.

        Raises:
            StoreError: pyrage, which encrypts, is not installed.
            ConfigError: a recipient is none that age knows.
        """
        self._pyrage = _import_pyrage()
        self._recipients = [self._parsed(text) for text in recipients]
        self.fingerprints = tuple(map(fingerprint, recipients))

    def seal(self, data: bytes) -> bytes:
        """Encrypt and authenticate `data`: an age file, some 300 bytes longer than it for one recipient.

        Raises:
            StoreError: it cannot be encrypted.
        """
        try:
            return bytes(self._pyrage.encrypt(data, self._recipients))
        except self._pyrage.EncryptError as error:
            raise StoreError(f"a clip cannot be sealed: {error}") from error

    def _parsed(self, text: str) -> object:
        try:
            return self._pyrage.x25519.Recipient.from_str(text)
        except self._pyrage.RecipientError as error:
            raise ConfigError(f"store.recipients: {text!r} is no age recipient: {error}") from error


def make_form(store: StoreSettings) -> Sealer | Clear | None:
    """Choose the form in which clips are written; None where none may be.

    Raises:
        StoreError: there are recipients, but pyrage is not installed.
        ConfigError: a recipient is none that age knows.
    """
    if store.recipients:
        return Sealer(store.recipients)
    return Clear() if store.clear else None


def _import_pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise StoreError(
            f"store.recipients is set, but pyrage, which seals clips, cannot be imported ({error}): "
            "pip install 'sonyc-device[node]'"
        ) from error
    return pyrage
