"""Sealed clips: only the recipients' keys open them, Debian's own `age` among what does."""

import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from sonyc_contract.errors import ConfigError
from sonyc_contract.stored import fingerprint
from sonyc_device.config import StoreSettings
from sonyc_device.errors import StoreError
from sonyc_device.storing.sealing import Clear, Sealer, make_form
from support.system_packages import require_system

AUDIO = bytes(range(256)) * 300


@pytest.fixture
def key() -> pyrage.x25519.Identity:
    """An operator's key."""
    return pyrage.x25519.Identity.generate()


def public(key: pyrage.x25519.Identity) -> str:
    return str(key.to_public())


def test_only_the_recipients_open_it(key: pyrage.x25519.Identity) -> None:
    second, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    sealed = Sealer([public(key), public(second)]).seal(AUDIO)
    assert pyrage.decrypt(sealed, [key]) == pyrage.decrypt(sealed, [second]) == AUDIO
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [stranger])


def test_nothing_of_the_audio_shows(key: pyrage.x25519.Identity) -> None:
    sealer = Sealer([public(key)])
    sealed, again = sealer.seal(AUDIO), sealer.seal(AUDIO)
    assert not [start for start in range(0, len(AUDIO), 8) if AUDIO[start : start + 8] in sealed]
    assert sealed[-1000:] != again[-1000:]
    assert len(AUDIO) < len(sealed) < len(AUDIO) + 1000


@pytest.mark.parametrize("position", [-1, 250, -200])
def test_altered_bytes_are_noticed(key: pyrage.x25519.Identity, position: int) -> None:
    sealed = bytearray(Sealer([public(key)]).seal(AUDIO))
    sealed[position] ^= 1
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(bytes(sealed), [key])


def test_fingerprints_name_the_recipients(key: pyrage.x25519.Identity) -> None:
    assert Sealer([public(key)]).fingerprints == (fingerprint(public(key)),)
    known = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    assert fingerprint(known) == "cf7e568231315068"


def test_recipient_with_a_wrong_checksum_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match=r"store\.recipients: 'age1qqq.*' is no age recipient: invalid Bech32"):
        make_form(StoreSettings(recipients=("age1" + "q" * 58,)))


def test_form_is_what_the_file_says(key: pyrage.x25519.Identity) -> None:
    assert make_form(StoreSettings()) is None
    assert isinstance(make_form(StoreSettings(clear=True)), Clear)
    assert isinstance(make_form(StoreSettings(recipients=(public(key),))), Sealer)


def test_missing_library_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch, key: pyrage.x25519.Identity) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(StoreError, match=r"store\.recipients is set, but pyrage.*pip install 'sonyc-device\[node\]'"):
        make_form(StoreSettings(recipients=(public(key),)))
    assert isinstance(make_form(StoreSettings(clear=True)), Clear)


def test_debians_age_opens_what_we_seal_and_knows_our_recipients(tmp_path: Path) -> None:
    require_system("age")
    subprocess.run(["age-keygen", "-o", tmp_path / "key.txt"], check=True, capture_output=True)
    recipient = subprocess.run(
        ["age-keygen", "-y", tmp_path / "key.txt"], check=True, capture_output=True, text=True
    ).stdout.strip()
    StoreSettings(recipients=(recipient,))
    (tmp_path / "clip.mp3.age").write_bytes(Sealer([recipient]).seal(AUDIO))
    command = ["age", "--decrypt", "--identity", str(tmp_path / "key.txt"), str(tmp_path / "clip.mp3.age")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == AUDIO
