"""The cache of embeddings: what is found again, what is not, and how large it gets."""

import os
from pathlib import Path

import numpy as np
import pytest

from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.cache import EmbeddingCache, shrink
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import stage_module
from sonyc_trainer.stages import Stage
from support.stage_runs import Quiet, threads

VECTORS = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "cache", "embedding-1")


def test_what_was_put_in_comes_back_to_the_bit(cache: EmbeddingCache) -> None:
    key = cache.key(b"audio", "v5")
    assert cache.get(key, 5) is None
    cache.put(key, VECTORS)
    found = cache.get(key, 5)
    assert found is not None
    assert found.dtype == np.float32
    assert found.tobytes() == VECTORS.tobytes()
    assert found.flags.writeable


def test_key_holds_everything_that_changes_a_result(cache: EmbeddingCache) -> None:
    other = EmbeddingCache(cache.root, "embedding-2")
    keys = [cache.key(b"audio", "v5"), cache.key(b"audio", "v9"), cache.key(b"other", "v5"), other.key(b"audio", "v5")]
    assert len(set(keys)) == len(keys)
    assert EmbeddingCache(cache.root, "embedding-1").key(b"audio", "v5") == keys[0]


@pytest.mark.parametrize("damage", [lambda data: data[:-4], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_torn_entry_is_a_miss(cache: EmbeddingCache, damage) -> None:
    key = cache.key(b"audio", "v5")
    cache.put(key, VECTORS)
    (path,) = cache.root.rglob("*.embedding")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(key, 5) is None


def test_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EmbeddingCache(tmp_path / "file", "embedding-1")
    cache.put(cache.key(b"audio", "v5"), VECTORS)
    assert cache.get(cache.key(b"audio", "v5"), 5) is None


def test_longest_unused_entries_go_first(cache: EmbeddingCache) -> None:
    keys = [cache.key(bytes([n]), "v5") for n in range(4)]
    for key in keys:
        cache.put(key, VECTORS)
    for age, key in enumerate(reversed(keys)):
        (path,) = cache.root.rglob(f"{key}*")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert cache.get(keys[0], 5) is not None  # was the oldest, and is used now
    size = 32 + VECTORS.nbytes
    assert shrink(cache.root, max_bytes=2 * size) == 2
    assert [cache.get(key, 5) is not None for key in keys] == [True, False, False, True]
    assert shrink(cache.root, max_bytes=2 * size) == 0


def test_second_study_embeds_nothing_and_gets_the_same_bytes(
    own_copy: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = StageContext(threads, Quiet(), tmp_path / "cache")
    first = embedded(own_copy, context)
    opened: list[Embedding] = []
    monkeypatch.setattr(Embedding, "open", opened.append)
    assert embedded(own_copy, context) == first
    assert not opened
    assert embedded_bytes(own_copy) == first


def embedded(folder: StudyFolder, context: StageContext) -> dict[str, bytes]:
    for path in folder.of(Stage.EMBED).glob("*.parquet"):
        path.unlink()
    stage_module(Stage.EMBED).run(folder, context)
    return embedded_bytes(folder)


def embedded_bytes(folder: StudyFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.of(Stage.EMBED).glob("*.parquet")}
