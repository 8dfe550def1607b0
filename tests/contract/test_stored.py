"""A file that an agent stored is known by its name and its sidecar, and never taken for another."""

from pathlib import Path

import pytest

from sonyc_contract.errors import AudioError
from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import Sealed, StoredClip, dump_message
from sonyc_contract.stored import is_sealed, load_sidecar, read_sidecar, refuse_sealed, sidecar_path
from support.sample_messages import stored_clip

_AUDIO = b"encoded audio"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A stored clip with its sidecar."""
    audio = tmp_path / "0123456789abcdef-12.mp3"
    audio.write_bytes(_AUDIO)
    sidecar_path(audio).write_bytes(dump_message(_sidecar()))
    return audio


def _sidecar() -> StoredClip:
    return stored_clip(sha256=sha256_hex(_AUDIO), n_bytes=len(_AUDIO))


def _refusal(audio: Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_sidecar(audio)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_sidecar_is_read(stored: Path) -> None:
    assert read_sidecar(stored) == _sidecar()
    assert sidecar_path(stored).name == "0123456789abcdef-12.json"


@pytest.mark.parametrize(
    "name",
    [
        "clip.wav",
        "0123456789abcdef-12.wav",
        "0123456789ABCDEF-12.mp3",
        "0123456789abcdef-0.mp3",
        "x0123456789abcdef-1.mp3",
    ],
)
def test_audio_from_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(_AUDIO)
    (tmp_path / name).with_suffix(".json").write_bytes(b"{}")
    assert read_sidecar(tmp_path / name) is None


def test_sidecar_left_behind(stored: Path) -> None:
    sidecar_path(stored).unlink()
    assert _refusal(stored) == (
        f"{stored}: a stored clip without its sidecar {sidecar_path(stored).name}, which says at what level it was "
        "stored: copy it too, or rename the audio to classify it as any other file"
    )


@pytest.mark.parametrize("text", [b"", b"{}", b"not JSON", b'{"schema": "sonyc.clip/2"}', b"\xff", b"[" * 100_000])
def test_sidecar_that_is_none(text: bytes, stored: Path) -> None:
    sidecar_path(stored).write_bytes(text)
    assert _refusal(stored).startswith(f"{sidecar_path(stored)}: not a clip's sidecar: ")


@pytest.mark.parametrize("data", [_AUDIO[:-1], _AUDIO + b"x", b"", b"other"])
def test_audio_that_was_altered(data: bytes, stored: Path) -> None:
    stored.write_bytes(data)
    assert _refusal(stored).endswith("not the bytes that 0123456789abcdef-12.json describes: altered or cut short")


def test_sidecar_of_another_clip(stored: Path) -> None:
    other = stored.with_name("0123456789abcdef-13.mp3")
    stored.rename(other)
    sidecar_path(stored).rename(sidecar_path(other))
    assert "not the bytes that 0123456789abcdef-13.json describes" in _refusal(other)


def test_audio_that_is_gone(stored: Path) -> None:
    stored.unlink()
    assert _refusal(stored) == f"{stored}: cannot be read: No such file or directory"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A sealed clip with its sidecar."""
    path = tmp_path / "0123456789abcdef-12.mp3.age"
    path.write_bytes(b"age-encryption.org/v1")
    sidecar_path(path).write_bytes(dump_message(_sidecar().model_copy(update={"sealed": _SEALED})))
    return path


_SEALED = Sealed(file="0123456789abcdef-12.mp3.age", sha256="c" * 64, n_bytes=21, recipients=("0123456789abcdef",))


def test_sealed_clip_has_the_sidecar_of_its_audio(sealed: Path) -> None:
    assert (is_sealed(sealed), is_sealed(sealed.with_suffix(""))) == (True, False)
    assert sidecar_path(sealed) == sidecar_path(sealed.with_suffix(""))
    assert load_sidecar(sealed).sealed == _SEALED


def test_sealed_clip_is_not_taken_for_audio(sealed: Path) -> None:
    for reader in (read_sidecar, refuse_sealed):
        with pytest.raises(
            AudioError, match=r"12\.mp3\.age: a sealed clip: open it with `sonyc-tools unseal --identity"
        ):
            reader(sealed)


def test_clip_that_was_unsealed_is_read_with_the_sidecar_as_it_was(sealed: Path) -> None:
    audio = sealed.with_suffix("")
    audio.write_bytes(_AUDIO)
    sidecar = read_sidecar(audio)
    assert sidecar is not None
    assert sidecar.sealed == _SEALED


def test_sidecar_names_the_sealed_form_of_its_own_audio() -> None:
    other = _SEALED.model_copy(update={"file": "0123456789abcdef-13.mp3.age"})
    with pytest.raises(
        ValueError, match=r"sealed\.file 0123456789abcdef-13\.mp3\.age is not that of 0123456789abcdef-12"
    ):
        stored_clip(sealed=other)
