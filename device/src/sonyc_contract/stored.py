"""Recognise a file that an agent stored, so that it is only decoded and never coded twice."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.errors import AudioError
from sonyc_contract.files import sha256_hex

if TYPE_CHECKING:
    from sonyc_contract.messages import StoredClip

SEALED_SUFFIX: Final = ".age"
"""What is put behind the name of a clip that is encrypted with age."""

FINGERPRINT_CHARS: Final = 16

_CLIP_NAME = re.compile(r"[0-9a-f]{16}-[1-9][0-9]*\.(mp3|flac)")


def is_sealed(path: Path) -> bool:
    """Whether a file's name says that it is encrypted."""
    return path.suffix.lower() == SEALED_SUFFIX


def sidecar_path(audio: Path) -> Path:
    """Where the sidecar of a stored clip lies, sealed or not: the clip's name, ending in `.json`."""
    return (audio.with_suffix("") if is_sealed(audio) else audio).with_suffix(".json")


def fingerprint(recipient: str) -> str:
    """Give what names an age recipient in a sidecar: the first 16 hexadecimal digits of the SHA-256 of its text."""
    return sha256_hex(recipient.encode())[:FINGERPRINT_CHARS]


def is_sealed_clip(path: Path) -> bool:
    """Whether a file's name is that of a clip that an agent stored, and sealed."""
    return is_sealed(path) and _CLIP_NAME.fullmatch(path.stem) is not None


def refuse_sealed(path: Path) -> None:
    """See that a file is not sealed, before it is taken for broken audio.

    Raises:
        AudioError: it is; the message says how it is opened.
    """
    if is_sealed(path):
        raise AudioError(f"{path}: a sealed clip: open it with `sonyc-tools unseal --identity KEYFILE --output DIR`")


def read_sidecar(audio: Path) -> "StoredClip | None":
    """Give what the agent wrote about a file that it stored; None for audio from elsewhere.

    Args:
        audio: An existing audio file.

    Raises:
        AudioError: the file is sealed, or it is named as a stored clip but its sidecar is missing, not readable, or of
            another file; the level it was stored at is then unknown.
    """
    refuse_sealed(audio)
    if not _CLIP_NAME.fullmatch(audio.name):
        return None
    sidecar = load_sidecar(audio)
    if sidecar.audio_file != audio.name or sidecar.sha256 != sha256_hex(_read(audio)):
        raise AudioError(f"{audio}: not the bytes that {sidecar_path(audio).name} describes: altered or cut short")
    return sidecar


def load_sidecar(audio: Path) -> "StoredClip":
    """Read the sidecar of a stored clip, sealed or not, without looking at its audio.

    Raises:
        AudioError: it is missing, or no sidecar.
    """
    from pydantic import ValidationError

    from sonyc_contract.messages import StoredClip
    from sonyc_contract.settings import describe

    path = sidecar_path(audio)
    try:
        return StoredClip.model_validate_json(path.read_bytes())
    except OSError as error:
        way_out = "" if is_sealed(audio) else ", or rename the audio to classify it as any other file"
        raise AudioError(
            f"{audio}: a stored clip without its sidecar {path.name}, which says at what level it was stored: copy it "
            f"too{way_out}"
        ) from error
    except ValidationError as error:
        raise AudioError(f"{path}: not a clip's sidecar: {describe(error)}") from error


def _read(audio: Path) -> bytes:
    try:
        return audio.read_bytes()
    except OSError as error:
        raise AudioError(f"{audio}: cannot be read: {error.strerror or error}") from error
