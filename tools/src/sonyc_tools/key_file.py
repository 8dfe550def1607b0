"""Reads the operator's key file, as `age-keygen` writes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sonyc_contract.stored import fingerprint
from sonyc_tools.errors import KeyFileError

MAX_KEY_FILE_BYTES: Final = 1_000_000
_ENCRYPTED: Final = ("age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----")


@dataclass(frozen=True)
class KeyFile:
    """What opens sealed clips.

    Attributes:
        path: The file.
        identities: Its keys, as pyrage has them.
        fingerprints: What sidecars call the recipients that they belong to.
    """

    path: Path
    identities: tuple[Any, ...]
    fingerprints: frozenset[str]


def read_key_file(path: Path) -> KeyFile:
    """Read a key file: a key a line, lines with `#` in front and empty ones between them.

    Raises:
        KeyFileError: it cannot be read, is itself encrypted, or a line is no key. No line of it is ever quoted.
    """
    import pyrage

    identities = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            identities.append(pyrage.x25519.Identity.from_str(line.strip()))
        except pyrage.IdentityError as error:
            raise KeyFileError(
                f"{path}: line {number} is no key that age-keygen wrote (AGE-SECRET-KEY-1...): {error}"
            ) from error
    if not identities:
        raise KeyFileError(f"{path}: holds no key: age-keygen -o FILE makes one")
    found = frozenset(fingerprint(str(identity.to_public())) for identity in identities)
    return KeyFile(path, tuple(identities), found)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_FILE_BYTES + 1).decode()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        text = ""
    if text.startswith(_ENCRYPTED):
        raise KeyFileError(f"{path}: is encrypted itself: decrypt it first, with `age --decrypt {path.name}`")
    if not text or len(text) > MAX_KEY_FILE_BYTES:
        raise KeyFileError(f"{path}: is no key file: age-keygen -o FILE makes one")
    return text
