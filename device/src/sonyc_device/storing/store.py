"""Writes clips: the audio, then its sidecar, each whole, in one folder per UTC day."""

import os
from pathlib import Path

from sonyc_contract.files import write_whole
from sonyc_contract.messages import ClockQuality, StoredClip, dump_message
from sonyc_contract.stored import sidecar_path
from sonyc_device.errors import StoreError


class ClipStore:
    """A folder of clips: `2026-11-23/<clip id>.mp3` and `.json`, or `unsynced/<session>/` while the clock is unset."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, clip: StoredClip, audio: bytes) -> Path:
        """Write a clip through to the disk, audio first.

        Args:
            clip: Its sidecar.
            audio: Its encoded bytes.

        Returns:
            The audio file.

        Raises:
            StoreError: the folder is missing, full or read-only; neither file is left behind.
        """
        path = self._folder_of(clip) / clip.audio_file
        try:
            _make_folder(path.parent)
            write_whole(path, audio)
            try:
                write_whole(sidecar_path(path), dump_message(clip) + b"\n")
            except OSError:
                path.unlink()
                raise
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
        return path

    def _folder_of(self, clip: StoredClip) -> Path:
        if clip.clock is ClockQuality.UNSET:
            return self._folder / "unsynced" / clip.session
        return self._folder / clip.start_utc.date().isoformat()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they are there after a power cut too."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
