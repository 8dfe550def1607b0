"""The bundle: one data-only archive that carries a recogniser from the trainer to the nodes.

A ZIP archive of stored (not compressed) members, made byte for byte from its contents, whose archive comment is the
SHA-256 of everything before it. That digest is checked before anything else is looked at; it shows damage, it does not
prove who made the bundle. Members are read by name, sizes are bounded before anything is read, nothing is executed or
unpickled.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from sonyc_contract import __version__
from sonyc_contract.archive import read_archive, write_archive
from sonyc_contract.codec import STORAGE_RATES_HZ
from sonyc_contract.errors import BundleError, BundleVersionError, DigestMismatchError, ModelError
from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import LABELS, N_LABELS
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
MAX_MANIFEST_BYTES: Final = 2**20

MANIFEST: Final = "manifest.json"
EMBEDDING: Final = "embedding.tflite"
GOLDEN: Final = "golden.npz"
MODEL_CARD: Final = "MODEL_CARD.md"

_DIGEST_CHARS = 64
_VERSION_PATTERN = r"^[0-9]{1,6}(\.[0-9]{1,6}){1,3}$"

_Version = Annotated[str, Field(pattern=_VERSION_PATTERN)]


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

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")
    licence: str = Field(min_length=1)
    labels: tuple[str, ...] = LABELS
    storage_rate_hz: int
    embedding: EmbeddingSpec
    pooling: Pooling
    heads: dict[str, HeadSpec] = Field(min_length=1)
    """By level, or `any`."""
    minimum_agent: _Version = "0.1.0"
    minimum_runtime: dict[Runtime, _Version]
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
            ModelError: the runtime is missing or cannot load them, or their shapes do not fit together.
            BundleVersionError: the runtime is older than the bundle asks for.
            FrontendError: the embedding does not fit its front end.
        """
        self._check_runtime(runtime)
        manifest = self.manifest
        embedding = open_interpreter(self.members[EMBEDDING], runtime=runtime, n_threads=n_threads)
        embedder = Embedder(manifest.embedding, embedding)
        heads = {
            name: open_interpreter(self.members[head_member(name)], runtime=runtime, n_threads=n_threads)
            for name in manifest.heads
        }
        for name, head in heads.items():
            if (head.input_shape, head.output_shape) != ((manifest.embedding.n_dimensions,), (N_LABELS,)):
                raise ModelError(f"head-{name} goes from {head.input_shape} to {head.output_shape}, which does not fit")
        return Recogniser(embedder, heads, manifest.heads, manifest.pooling)

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
        BundleError: a member is missing or not foreseen, or the bundle would be over the size limit.
    """
    _check_names(manifest, members)
    records = {
        name: MemberRecord(sha256=sha256_hex(data), size_bytes=len(data)) for name, data in sorted(members.items())
    }
    document = manifest.model_copy(update={"members": records}).model_dump(mode="json")
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    archive = write_archive({MANIFEST: text.encode(), **dict(sorted(members.items()))}, comment=b"0" * _DIGEST_CHARS)
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"the bundle would have {len(archive)} bytes; at most {MAX_ARCHIVE_BYTES} are allowed")
    body = archive[:-_DIGEST_CHARS]
    return body + sha256_hex(body).encode()


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        DigestMismatchError: it is truncated, or altered by as little as one byte.
        BundleVersionError: it was written for a newer schema or a newer agent.
        BundleError: it is missing, no bundle at all, too large, or has a member that does not belong there.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ARCHIVE_BYTES + 1)
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
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"a bundle has at most {MAX_ARCHIVE_BYTES} bytes; this one has more")
    if sha256_hex(data[:-_DIGEST_CHARS]).encode() != data[-_DIGEST_CHARS:]:
        raise DigestMismatchError(
            "not a bundle, or altered or cut short: the digest at its end differs; fetch it again"
        )
    members = read_archive(data)
    if MANIFEST not in members:
        raise BundleError(f"not a bundle: it has no {MANIFEST}")
    manifest = _parse_manifest(members.pop(MANIFEST))
    _check_names(manifest, members)
    if set(manifest.members) != set(members):
        raise BundleError(f"{MANIFEST} lists other members than the archive holds")
    for name, record in manifest.members.items():
        if sha256_hex(members[name]) != record.sha256 or len(members[name]) != record.size_bytes:
            raise DigestMismatchError(f"member {name!r} does not match the manifest's digest: altered; fetch it again")
    return Bundle(manifest, members, sha256_hex(data))


def _parse_manifest(text: bytes) -> Manifest:
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{MANIFEST} has {len(text)} bytes; at most {MAX_MANIFEST_BYTES} are allowed")
    try:
        document = json.loads(text)
        version = document.get("schema_version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BundleVersionError(
                f"schema version {version} is newer than {SCHEMA_VERSION}, the newest this program reads: update it"
            )
        # Writing it again refuses what JSON does not have: NaN, infinity, halves of surrogate pairs.
        strict_text = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        manifest = Manifest.model_validate_json(strict_text, strict=True)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST}: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
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
    numbers = [int(number) for number in re.findall(r"[0-9]+", text)[:3]]
    return (*numbers, 0, 0, 0)[:3]
