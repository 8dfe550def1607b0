"""Opens sealed clips on the operator's machine: the inverse of what a node does before it writes a clip."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sonyc_contract.errors import AudioError
from sonyc_contract.files import sha256_hex, write_whole
from sonyc_contract.messages import Sealed, StoredClip
from sonyc_contract.stored import is_sealed, is_sealed_clip, load_sidecar, sidecar_path
from sonyc_tools.errors import FolderError, UnsealError
from sonyc_tools.key_file import KeyFile, read_key_file

OK, FAILURE, DEGRADED = 0, 1, 3

_Item = TypeVar("_Item")


@dataclass
class Tally:
    """What became of the clips.

    Attributes:
        n_opened: Written now.
        n_there: Found in the output folder as they would have been written.
        errors: A line for each that could not be opened.
    """

    n_opened: int = 0
    n_there: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all are open; 1: none is; 3: some are not."""
        if not self.errors:
            return OK
        return DEGRADED if self.n_opened + self.n_there else FAILURE


def unseal_all(named: Sequence[Path], key_path: Path, output: Path, *, as_json: bool = False) -> int:
    """Open all sealed clips that were named, or lie in folders that were; say how that went, and give an exit code.

    Args:
        named: Clips, and folders of them, which keep their order of folders in the output.
        key_path: The operator's key file.
        output: The folder for what is opened; clips there are for their owner's eyes and ears alone.
        as_json: Whether to print JSON instead of a line for people.

    Raises:
        KeyFileError: the key file cannot be used.
        FolderError: the output folder cannot be made.
    """
    key = read_key_file(key_path)
    _make(output)
    tally = Tally()
    for source, relative in _progressing(list(_found(named, tally)), "opening clips"):
        try:
            is_new = unseal(source, output / relative, key)
        except UnsealError as error:
            _report(tally, str(error))
        else:
            tally.n_opened += is_new
            tally.n_there += not is_new
    _print(tally, as_json=as_json)
    return tally.exit_code


def unseal(source: Path, folder: Path, key: KeyFile) -> bool:
    """Open one clip into a folder, its sidecar first, and say whether that had not been done before.

    Raises:
        UnsealError: it cannot be opened, is not what its sidecar says, or something else has its name in the folder.
    """
    sidecar, sealed = _described(source)
    data = _read(source, at_most=sealed.n_bytes + 1)
    if (len(data), sha256_hex(data)) != (sealed.n_bytes, sealed.sha256):
        raise UnsealError(f"{source}: not the bytes that {sidecar_path(source).name} describes: altered or cut short")
    audio = _decrypted(source, data, sealed, key)
    if (len(audio), sha256_hex(audio)) != (sidecar.n_bytes, sidecar.sha256):
        raise UnsealError(f"{source}: holds another clip than {sidecar_path(source).name} describes")
    target = folder / sidecar.audio_file
    wanted = [(sidecar_path(target), _read(sidecar_path(source))), (target, audio)]
    is_there = [_is_written(path, content) for path, content in wanted]
    for (path, content), is_done in zip(wanted, is_there, strict=True):
        if not is_done:
            _write(path, content)
    return not all(is_there)


def _found(named: Iterable[Path], tally: Tally) -> Iterator[tuple[Path, Path]]:
    """Give the sealed clips, and the folder of each below the output."""
    for path in named:
        if not path.is_dir():
            yield path, Path()
            continue
        clips = sorted(_below(path, tally))
        if not clips:
            _report(tally, f"{path}: holds no sealed clip (<session>-<number>.mp3.age or .flac.age)")
        for clip in clips:
            yield clip, clip.parent.relative_to(path)


def _below(folder: Path, tally: Tally) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        _report(tally, f"{error.filename}: a folder that cannot be read: {error.strerror}")

    for parent, _, names in os.walk(folder, onerror=unreadable):
        yield from (Path(parent, name) for name in names if is_sealed_clip(Path(name)))


def _described(source: Path) -> tuple[StoredClip, Sealed]:
    if not is_sealed(source):
        raise UnsealError(f"{source}: not a sealed clip: its name does not end in .age")
    try:
        sidecar = load_sidecar(source)
    except AudioError as error:
        raise UnsealError(str(error)) from error
    if sidecar.sealed is None or sidecar.sealed.file != source.name:
        raise UnsealError(f"{source}: not the clip that {sidecar_path(source).name} describes")
    return sidecar, sidecar.sealed


def _decrypted(source: Path, data: bytes, sealed: Sealed, key: KeyFile) -> bytes:
    import pyrage

    if not key.fingerprints.intersection(sealed.recipients):
        raise UnsealError(
            f"{source}: sealed to {', '.join(sealed.recipients)}, but {key.path} opens what is sealed to "
            f"{', '.join(sorted(key.fingerprints))}"
        )
    try:
        return bytes(pyrage.decrypt(data, list(key.identities)))
    except pyrage.DecryptError as error:
        raise UnsealError(f"{source}: cannot be opened with {key.path}: {error}") from error


def _is_written(path: Path, content: bytes) -> bool:
    if not os.path.lexists(path):
        return False
    if path.is_file() and _read(path) == content:
        return True
    raise UnsealError(f"{path}: is there already, and something else: nothing is overwritten")


def _write(path: Path, content: bytes) -> None:
    _make(path.parent)
    try:
        for part in path.parent.glob(f".{path.name}.*.part"):  # of an interrupted run: it holds what was opened
            part.unlink(missing_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise UnsealError(f"{path}: cannot be written: {error.strerror or error}") from error


def _make(folder: Path) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise FolderError(f"{folder}: cannot be made: {error.strerror or error}") from error


def _read(path: Path, *, at_most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(at_most)
    except OSError as error:
        raise UnsealError(f"{path}: cannot be read: {error.strerror or error}") from error


def _report(tally: Tally, error: str) -> None:
    line = " ".join(error.split())
    tally.errors.append(line)
    sys.stderr.write(f"sonyc-tools: {line}\n")


def _progressing(items: Sequence[_Item], what: str) -> Iterable[_Item]:
    """Show progress on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, console=Console(stderr=True), transient=True)


def _print(tally: Tally, *, as_json: bool) -> None:
    if as_json:
        document = {"opened": tally.n_opened, "already_there": tally.n_there, "errors": tally.errors}
        sys.stdout.write(f"{json.dumps(document)}\n")
    else:
        sys.stdout.write(
            f"{tally.n_opened} opened, {tally.n_there} already there, {len(tally.errors)} could not be opened\n"
        )
