"""Recognise a file that an agent stored, so that it is only decoded and never coded twice."""

import re
from pathlib import Path

from pydantic import ValidationError

from sonyc_contract.errors import AudioError
from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import StoredClip
from sonyc_contract.settings import describe

_CLIP_NAME = re.compile(r"[0-9a-f]{16}-[1-9][0-9]*\.(mp3|flac)")


def sidecar_path(audio: Path) -> Path:
    """Where the sidecar of a stored clip lies: the same name, ending in `.json`."""
    return audio.with_suffix(".json")


def read_sidecar(audio: Path) -> StoredClip | None:
    """Give what the agent wrote about a file that it stored; None for audio from elsewhere.

    Args:
        audio: An existing audio file.

    Raises:
        AudioError: the file is named as a stored clip but its sidecar is missing, not readable, or of another file;
            the level it was stored at is then unknown.
    """
    if not _CLIP_NAME.fullmatch(audio.name):
        return None
    path = sidecar_path(audio)
    try:
        sidecar = StoredClip.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AudioError(
            f"{audio}: a stored clip without its sidecar {path.name}, which says at what level it was stored: copy it "
            "too, or rename the audio to classify it as any other file"
        ) from error
    except ValidationError as error:
        raise AudioError(f"{path}: not a clip's sidecar: {describe(error)}") from error
    try:
        digest = sha256_hex(audio.read_bytes())
    except OSError as error:
        raise AudioError(f"{audio}: cannot be read: {error.strerror or error}") from error
    if sidecar.audio_file != audio.name or sidecar.sha256 != digest:
        raise AudioError(f"{audio}: not the bytes that {path.name} describes: altered or cut short")
    return sidecar
