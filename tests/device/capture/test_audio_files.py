"""Which audio files are meant by a list of files and folders."""

from pathlib import Path

import pytest

from sonyc_contract.audio import read_audio
from sonyc_contract.errors import AudioError
from sonyc_device.capture.audio_files import find_audio


def test_folders_give_their_audio_files_in_order_and_files_are_taken_as_named(tmp_path: Path) -> None:
    for name in ("b/2.WAV", "b/1.flac", "b/notes.txt", "b/deep/0.mp3", "a.xyz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_audio([tmp_path / "gone.wav", tmp_path / "b", tmp_path / "a.xyz"])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "gone.wav", "b/1.flac", "b/2.WAV", "b/deep/0.mp3", "a.xyz",
    ]  # fmt: skip


def test_folder_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(AudioError, match=f"{tmp_path}: holds no audio file"):
        find_audio([tmp_path])


def test_name_that_the_system_does_not_take_is_left_for_the_reader_to_name() -> None:
    path = Path("a" * 300)
    assert find_audio([path]) == [path]
    with pytest.raises(AudioError, match=r"a{300}: cannot be read: File name too long"):
        read_audio(path)
