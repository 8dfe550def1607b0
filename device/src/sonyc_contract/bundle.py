"""The bundle: one data-only archive that carries a recogniser from the trainer to the nodes.

A ZIP archive of stored (not compressed) members, made byte for byte from its contents, whose archive comment is the
SHA-256 of everything before it. Members are read by name, sizes are bounded before anything is read, nothing is
executed or unpickled.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from sonyc_contract import __version__
from sonyc_contract.codec import STORAGE_RATES_HZ
from sonyc_contract.errors import BundleError, BundleVersionError, DigestMismatchError
from sonyc_contract.files import sha256_hex, write_whole
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import (
    ANY_HEAD,
    Embedder,
    EmbeddingSpec,
    HeadSpec,
    Pooling,
    Recogniser,
    head_for,
)
from sonyc_contract.runtime import Runtime, open_interpreter, runtime_version
from sonyc_contract.settings import describe

SCHEMA_VERSION: Final = 1
MAX_ARCHIVE_BYTES: Final = 64 * 2**20
MAX_MEMBERS: Final = 32

MANIFEST: Final = "manifest.json"
EMBEDDING: Final = "embedding.tflite"
GOLDEN: Final = "golden.npz"
MODEL_CARD: Final = "MODEL_CARD.md"

_DIGEST_CHARS = 64
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class MemberRecord(BaseModel):
    """SHA-256 and size of one member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0, le=MAX_ARCHIVE_BYTES)


class Agreement(BaseModel):
    """How far the exported files agree with Keras on the validation clips, on one runtime."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    runtime_version: str
    n_clips: int = Field(ge=1)
    top1_agreement: float = Field(ge=0, le=1)
    max_probability_difference: float = Field(ge=0, le=1)


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")
    licence: str = Field(min_length=1)
    labels: tuple[str, ...] = LABELS
    storage_rate_hz: int
    embedding: EmbeddingSpec
    pooling: Pooling
    heads: dict[str, HeadSpec] = Field(min_length=1)
    """By level, or `any`."""
    minimum_agent: str = Field(default="0.1.0", pattern=r"^\d+(\.\d+){1,2}$")
    minimum_runtime: dict[Runtime, str]
    agreement: dict[Runtime, Agreement]
    training: dict[str, JsonValue]
    members: dict[str, MemberRecord] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _are_sonycs(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels != LABELS:
            raise ValueError(f"must be {', '.join(LABELS)}, in this order")
        return labels

    @field_validator("storage_rate_hz")
    @classmethod
    def _is_storage_rate(cls, rate_hz: int) -> int:
        if rate_hz not in STORAGE_RATES_HZ:
            raise ValueError(f"must be one of {', '.join(map(str, STORAGE_RATES_HZ))}")
        return rate_hz

    @field_validator("heads")
    @classmethod
    def _are_levels(cls, heads: dict[str, HeadSpec]) -> dict[str, HeadSpec]:
        allowed = {ANY_HEAD, *(level.value for level in Level)}
        if unknown := sorted(set(heads) - allowed):
            raise ValueError(f"unknown head {unknown[0]!r}")
        return heads


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every byte was verified.

    Attributes:
        manifest: What it says of itself.
        members: Contents by member name, the manifest's not included.
        digest: SHA-256 of the whole archive in hexadecimal.
    """

    manifest: Manifest
    members: Mapping[str, bytes]
    digest: str

    def head_for(self, level: Level) -> str:
        """Name the head that serves `level`.

        Raises:
            LevelError: none does.
        """
        return head_for(level, self.manifest.heads)

    def recogniser(self, *, runtime: Runtime = Runtime.LITERT, n_threads: int = 1) -> Recogniser:
        """Open the models.

        Raises:
            ModelError: the runtime is missing or cannot load them.
            BundleVersionError: the runtime is older than the bundle asks for.
            FrontendError: the embedding does not fit its front end.
        """
        self._check_runtime(runtime)
        manifest = self.manifest
        embedding = open_interpreter(self.members[EMBEDDING], runtime=runtime, n_threads=n_threads)
        heads = {
            name: open_interpreter(self.members[head_member(name)], runtime=runtime, n_threads=n_threads)
            for name in manifest.heads
        }
        return Recogniser(Embedder(manifest.embedding, embedding), heads, manifest.heads, manifest.pooling)

    def _check_runtime(self, runtime: Runtime) -> None:
        wanted = self.manifest.minimum_runtime.get(runtime)
        have = runtime_version(runtime)
        if wanted is not None and _version(have.rpartition(" ")[2]) < _version(wanted):
            raise BundleVersionError(f"bundle {self.manifest.name!r} needs {runtime} {wanted} or newer; here is {have}")


def head_member(head: str) -> str:
    """Name the member that holds a head, such as `head-v5.tflite`."""
    return f"head-{head}.tflite"


def pack_bundle(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    """Make the archive; the same contents always give the same bytes.

    Args:
        manifest: Its `members` are filled in here.
        members: Contents by member name: the embedding, a file per head, golden data and model card.

    Raises:
        BundleError: a member is missing or not foreseen.
    """
    _check_names(manifest, members)
    records = {
        name: MemberRecord(sha256=sha256_hex(data), size_bytes=len(data)) for name, data in sorted(members.items())
    }
    document = manifest.model_copy(update={"members": records}).model_dump(mode="json")
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(MANIFEST, text.encode()), *sorted(members.items())]:
            info = zipfile.ZipInfo(name, _ZIP_EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    return body + sha256_hex(body).encode()


def write_bundle(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Write a bundle whole.

    Raises:
        BundleError: a member is missing or not foreseen, or the result is over the size limit.
        OSError: the folder cannot be written.
    """
    data = pack_bundle(manifest, members)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"{path}: the bundle would have {len(data)} bytes; at most {MAX_ARCHIVE_BYTES} are allowed")
    write_whole(path, data)


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        DigestMismatchError: it is truncated, or altered by as little as one byte.
        BundleVersionError: it was written for a newer schema or a newer agent.
        BundleError: it is missing, no bundle at all, too large, or has a member that does not belong there.
    """
    try:
        size = path.stat().st_size
        if size > MAX_ARCHIVE_BYTES:
            raise BundleError(f"{path}: {size} bytes; a bundle has at most {MAX_ARCHIVE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return parse_bundle(data)
    except BundleError as error:
        raise type(error)(f"{path}: {error}") from error


def parse_bundle(data: bytes) -> Bundle:
    """Verify a bundle's bytes; as `read_bundle`, without a path in the messages.

    Raises:
        BundleError: as `read_bundle`.
    """
    members = _read_members(data)
    if sha256_hex(data[:-_DIGEST_CHARS]).encode() != data[-_DIGEST_CHARS:]:
        raise DigestMismatchError("the bundle's bytes do not match its digest: altered or cut short; fetch it again")
    manifest = _parse_manifest(members.pop(MANIFEST))
    _check_names(manifest, members)
    if set(manifest.members) != set(members):
        raise BundleError("the manifest lists other members than the archive holds")
    for name, record in manifest.members.items():
        if sha256_hex(members[name]) != record.sha256 or len(members[name]) != record.size_bytes:
            raise DigestMismatchError(f"member {name!r} does not match the manifest's digest: altered; fetch it again")
    return Bundle(manifest, members, sha256_hex(data))


def _read_members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_infos(infos)
            members = {info.filename: archive.read(info) for info in infos}
    except (
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise DigestMismatchError(f"not a bundle, or altered or cut short ({error}); fetch it again") from error
    if MANIFEST not in members:
        raise BundleError(f"not a bundle: it has no {MANIFEST}")
    return members


def _check_infos(infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    if len(names) > MAX_MEMBERS:
        raise BundleError(f"{len(names)} members; a bundle has at most {MAX_MEMBERS}")
    for info in infos:
        if PurePosixPath(info.filename).name != info.filename or "\\" in info.filename or ":" in info.filename:
            raise BundleError(f"member name {info.filename!r} holds a path; members are plain names")
        if names.count(info.filename) > 1:
            raise BundleError(f"member {info.filename!r} stands in the archive twice")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise BundleError(
                f"member {info.filename!r} is compressed ({info.compress_size} to {info.file_size} bytes); a bundle's "
                "members are stored as they are"
            )


def _parse_manifest(text: bytes) -> Manifest:
    try:
        document = json.loads(text)
        version = document["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BundleVersionError(
                f"schema version {version} is newer than {SCHEMA_VERSION}, the newest this program reads: update it"
            )
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST}: {describe(error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is not a manifest: {error}") from error
    if _version(manifest.minimum_agent) > _version(__version__):
        raise BundleVersionError(f"the bundle needs version {manifest.minimum_agent}; here is {__version__}: update it")
    return manifest


def _check_names(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    wanted = {EMBEDDING, GOLDEN, MODEL_CARD, *(head_member(head) for head in manifest.heads)}
    if missing := sorted(wanted - set(members)):
        raise BundleError(f"member {missing[0]!r} is missing")
    if unknown := sorted(set(members) - wanted):
        raise BundleError(f"member {unknown[0]!r} does not belong in a bundle")


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")[:3] if part.isdigit()]
    return tuple(numbers + [0] * (3 - len(numbers)))
