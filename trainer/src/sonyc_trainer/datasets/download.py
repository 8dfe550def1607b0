"""Fetching a published dataset: the files of a Zenodo record, checked, resumed where a transfer broke, and unpacked."""

import contextlib
import hashlib
import json
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from sonyc_contract.files import write_whole
from sonyc_trainer.context import StageContext
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.progress import Advance

ZENODO: Final = "https://zenodo.org"
SONYC_UST_RECORD: Final = 3966543
"""SONYC-UST V2.3: annotations.csv, taxonomy, and archives of 18,510 clips of 0.88 MB, 16 GB unpacked."""

AUDIO_FOLDER: Final = "audio"
AUDIO_SUFFIX: Final = ".wav"
MAX_MEMBER_BYTES: Final = 100_000_000
"""A clip of 10 s has 0.9 MB; what is larger than this in an archive is refused."""

_ARCHIVE_SUFFIX = ".tar.gz"
_DONE_FOLDER = ".downloaded"
_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 60
_MAX_FRUITLESS = 3
_MB = 1_000_000


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record.

    Attributes:
        name: Its plain name.
        size_bytes: How large it is.
        md5: Its MD5 as Zenodo publishes it, 32 hexadecimal digits.
        url: Where it is.
    """

    name: str
    size_bytes: int
    md5: str
    url: str


def download_sonyc_ust(folder: Path, context: StageContext, *, address: str = ZENODO) -> list[str]:
    """Fetch SONYC-UST V2.3 into `folder`, or what is missing of it, in the form that format `sonyc-ust` reads.

    Clips lie in `audio/`; an archive is deleted when it is unpacked.

    Args:
        folder: It is made where it is missing.
        context: Its progress counts megabytes.
        address: Of Zenodo, or of a server that answers as its API does.

    Returns:
        Names of the record's files.

    Raises:
        DatasetError: the server cannot be reached or answers nonsense, a transfer breaks again and again, or a file is
            not the published one; what is whole stays, and the same command goes on.
        OSError: the folder cannot be written or is full.
    """
    files = record_files(address, SONYC_UST_RECORD)
    (folder / _DONE_FOLDER).mkdir(parents=True, exist_ok=True)
    n_before = 0
    with context.progress.task("download, MB", sum(file.size_bytes for file in files) // _MB) as advance:
        meter = _Meter(advance)
        for file in files:
            if not _is_done(folder, file):
                _fetch_and_unpack(file, folder, partial(meter.reach, n_before))
            n_before += file.size_bytes
            meter.reach(n_before, 0)
    return [file.name for file in files]


def record_files(address: str, record: int) -> list[RemoteFile]:
    """Ask for the files of a record.

    Raises:
        DatasetError: the server cannot be reached, or what it answers is no record.
    """
    url = f"{address.rstrip('/')}/api/records/{record}"
    try:
        with _open(url) as response:
            document = json.load(response)
        return [_remote_file(entry) for entry in document["files"]]
    except (OSError, HTTPException) as error:
        raise DatasetError(f"{url} cannot be fetched: {_reason(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{url} is no record of Zenodo: {error!r}") from error


def fetch(file: RemoteFile, folder: Path, on_bytes: Callable[[int], None] = lambda n: None) -> Path:
    """Fetch one file into `folder`, going on where an earlier attempt stopped; returns its path.

    Args:
        file: What to fetch.
        folder: Where it is put, whole.
        on_bytes: Told now and then how many of its bytes are there.

    Raises:
        DatasetError: the transfer breaks again and again, or the MD5 is another one.
        OSError: the folder cannot be written or is full.
    """
    part = folder / f".{file.name}.{file.md5[:8]}.part"
    n_fruitless = 0
    while (n_before := _size(part)) < file.size_bytes:
        failure = _transfer(file, part, on_bytes)
        n_fruitless = n_fruitless + 1 if _size(part) <= n_before else 0
        if n_fruitless == _MAX_FRUITLESS:
            raise DatasetError(
                f"{file.url}: no more than {_size(part)} of {file.size_bytes} bytes come, {failure}: the same command "
                "goes on from there"
            )
    found = _md5(part)
    if found != file.md5 or _size(part) != file.size_bytes:
        n_bytes = _size(part)
        part.unlink()
        raise DatasetError(
            f"{file.url}: {n_bytes} bytes with MD5 {found} came, not {file.size_bytes} with {file.md5}; they are "
            "deleted: the same command fetches the file again"
        )
    return part.rename(folder / file.name)


def unpack_audio(archive: Path, target: Path) -> int:
    """Unpack the clips of an archive into one folder, each whole, under its plain name; returns how many there were.

    Whatever folders the archive has, no member can leave `target`; links and other kinds of members are passed over.

    Raises:
        DatasetError: it is no archive, cut short, or a clip is too large to be one.
        OSError: the folder cannot be written or is full.
    """
    target.mkdir(parents=True, exist_ok=True)
    n_clips = 0
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                name = PurePosixPath(member.name).name
                if member.isfile() and name.endswith(AUDIO_SUFFIX) and not name.startswith("."):
                    _unpack_one(members, member, target / name)
                    n_clips += 1
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise DatasetError(f"{archive}: cannot be unpacked: {error}: delete it, and fetch it again") from error
    return n_clips


def _fetch_and_unpack(file: RemoteFile, folder: Path, on_bytes: Callable[[int], None]) -> None:
    """Fetch a file, and put an archive's clips in its place; the mark is written when all of it is there."""
    path = fetch(file, folder, on_bytes)
    is_archive = file.name.endswith(_ARCHIVE_SUFFIX)
    if is_archive:
        unpack_audio(path, folder / AUDIO_FOLDER)
    write_whole(_mark(folder, file), file.md5.encode())
    if is_archive:
        path.unlink()


class _Meter:
    """Counts megabytes towards a progress, and never backwards, as where a server begins a file anew."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._reported = 0

    def reach(self, n_before: int, n_bytes: int) -> None:
        """Say how many bytes are there, of earlier files and of this one."""
        reached = (n_before + n_bytes) // _MB
        if reached > self._reported:
            self._advance(reached - self._reported)
            self._reported = reached


def _unpack_one(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.size > MAX_MEMBER_BYTES:
        raise ValueError(f"{member.name} has {member.size} bytes, over {MAX_MEMBER_BYTES}")
    source = members.extractfile(member)
    if source is None:
        raise ValueError(f"{member.name} has no content")
    # Not synced: an archive counts as unpacked when its mark is written, and is unpacked again where that is missing.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as part:
        shutil.copyfileobj(source, part)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


def _transfer(file: RemoteFile, part: Path, on_bytes: Callable[[int], None]) -> str:
    """Add to what is there of a file what one request gives; returns how it ended."""
    n_there = _size(part)
    try:
        with _open(file.url, start=n_there) as response:
            resumes = response.status == 206 and _range_start(response) == n_there
            with part.open("ab" if resumes else "wb") as target:
                _copy(response, target, n_there if resumes else 0, file.size_bytes, on_bytes)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is there does not fit what the server has
            part.unlink(missing_ok=True)
        return f"the server says {error.code} {error.reason}"
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
        return _reason(error)
    return "the transfer ended early"


def _copy(
    source: HTTPResponse, target: IO[bytes], n_there: int, n_wanted: int, on_bytes: Callable[[int], None]
) -> None:
    """Copy until the source ends; a byte more than is wanted is enough to know that it is another file."""
    while n_there <= n_wanted and (chunk := source.read(min(_CHUNK_BYTES, n_wanted + 1 - n_there))):
        target.write(chunk)
        n_there += len(chunk)
        on_bytes(n_there)


@contextlib.contextmanager
def _open(url: str, *, start: int = 0) -> Iterator[HTTPResponse]:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url!r} is no address on the web")
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the scheme is checked above
        yield response


def _range_start(response: HTTPResponse) -> int:
    """Read where a partial answer begins, `bytes 100-199/200`; -1 where it does not say so."""
    first = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _remote_file(entry: dict[str, Any]) -> RemoteFile:
    name, checksum = str(entry["key"]), str(entry["checksum"])
    if PurePosixPath(name).name != name or name.startswith(".") or "\\" in name:
        raise ValueError(f"{name!r} is no plain file name")
    kind, _, md5 = checksum.partition(":")
    if kind != "md5" or len(md5) != 32:
        raise ValueError(f"{name}: {checksum!r} is no MD5")
    return RemoteFile(name, int(entry["size"]), md5.lower(), str(entry["links"]["self"]))


def _is_done(folder: Path, file: RemoteFile) -> bool:
    mark = _mark(folder, file)
    is_there = file.name.endswith(_ARCHIVE_SUFFIX) or _size(folder / file.name) == file.size_bytes
    return is_there and mark.is_file() and mark.read_text() == file.md5


def _mark(folder: Path, file: RemoteFile) -> Path:
    return folder / _DONE_FOLDER / file.name


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__
