"""One cache of embeddings for all studies, keyed by what they are of and what made them.

A clip's key is a digest of its trimmed audio (source, trimming and storage rate are in it), level, encoder, embedding
(front end, windows, weights), runtime and kind of machine. MP3 bytes have no part in it. An entry is a file that
appears whole and carries its own digest, so that a torn one is a miss; the longest unused go when the cache is full.
"""

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.codec import encoder_version
from sonyc_contract.runtime import Runtime, runtime_version

MAX_BYTES: Final = 10_000_000_000
"""A clip of two windows of 512 numbers takes 4 kB: room for two million."""

_SUFFIX: Final = ".embedding"
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True)
class EmbeddingCache:
    """The part of the cache that belongs to one embedding.

    Attributes:
        root: The cache's folder, which is made when something is put into it.
        embedding_id: What the embeddings are made with.
    """

    root: Path
    embedding_id: str

    def key(self, trimmed: bytes, level: str) -> str:
        """Give the key of a clip from the bytes of its trimmed FLAC file and its level."""
        made_by = (self.embedding_id, runtime_version(Runtime.LITERT), encoder_version(), platform.machine(), level)
        return hashlib.sha256("\n".join(made_by).encode() + b"\n" + trimmed).hexdigest()

    def get(self, key: str, n_dimensions: int) -> FloatArray | None:
        """Give a clip's embeddings, float32 [n_windows, n_dimensions]; None where they are not there, or torn."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, values = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(values).digest() != digest or not values or len(values) % (4 * n_dimensions):
            return None
        return np.frombuffer(values, "<f4").reshape(-1, n_dimensions).astype(np.float32)

    def put(self, key: str, vectors: FloatArray) -> None:
        """Keep a clip's embeddings; where the folder cannot be written or is full, they are not kept."""
        values = np.ascontiguousarray(vectors, "<f4").tobytes()
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced: after a power cut the digest tells what is torn.
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
                part.write(hashlib.sha256(values).digest() + values)
            Path(part.name).replace(path)
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}{_SUFFIX}"


def shrink(root: Path, *, max_bytes: int = MAX_BYTES) -> int:
    """Delete the entries that were not used for the longest time until `max_bytes` hold the rest; returns how many."""
    entries = sorted(_entries(root))
    excess = sum(size for _, size, _ in entries) - max_bytes
    n_deleted = 0
    for _, size, path in entries:
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size
        n_deleted += 1
    return n_deleted


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """List time of last use, size and path of every entry; what an interrupted `put` left counts as unused."""
    for path in root.glob("??/*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another study's run deleted it meanwhile
            continue
        yield (status.st_mtime if path.suffix == _SUFFIX else 0.0, status.st_size, path)
