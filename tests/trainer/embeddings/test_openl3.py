"""OpenL3 through its own package: the same numbers, whatever its settings, and clear words where it cannot be had."""

import gzip
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.files import sha256_hex
from sonyc_trainer.embeddings.embedding import load_embedding, save_embedding
from sonyc_trainer.embeddings.framed import FramedEmbedding
from sonyc_trainer.embeddings.registry import source_for
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from support.openl3_weights import package_embedding, write_openl3_weights
from support.small_study import in_pool, small_study

pytestmark = pytest.mark.slow  # because `make openl3` comes before the slow tests, not before the fast ones

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def weights(openl3: None, tmp_path_factory: pytest.TempPathFactory, tensorflow_pool: Executor) -> Path:
    path = tmp_path_factory.mktemp("weights") / "openl3_audio_mel256_env.h5"
    return tensorflow_pool.submit(write_openl3_weights, path).result()


def make(folder: Path, pool: Executor, hop_s: float = 0.5, digest: str | None = None, **options: object):
    weights = options.pop("weights", None)
    embedding = {"kind": "openl3", "weights": weights, "weights_sha256": digest, "hop_s": hop_s, "openl3": options}
    study = StudyFolder(folder, small_study(folder, embedding=embedding))
    study.of(Stage.PRETRAIN).mkdir(exist_ok=True)
    return source_for(study.study).make(study, in_pool(pool))


def street(n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(n_samples)
    time_s = np.arange(n_samples) / RATE_HZ
    return (0.05 * rng.standard_normal(n_samples) + 0.2 * np.sin(2 * np.pi * 700 * time_s)).astype(np.float32)


def assert_is_the_packages(
    embedding: FramedEmbedding, pool: Executor, weights: Path, *, n_samples: int, hop_s: float, **options: Any
) -> None:
    audio = street(n_samples)
    ours = embedding.open().embed(audio, RATE_HZ)
    theirs = pool.submit(partial(package_embedding, weights, audio, hop_s=hop_s, **options)).result()
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.1, "the network's answer depends on what it hears"
    # Measured: 2e-6 on noise, 1.5e-5 with the tone, whose far bins are rounding in the package's float32.
    assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()


@pytest.mark.parametrize(("n_samples", "centre"), [(50_001, True), (RATE_HZ, False), (70_001, False)])
def test_embeddings_are_the_packages(
    weights: Path, tmp_path: Path, tensorflow_pool: Executor, n_samples: int, centre: bool
) -> None:
    embedding = make(tmp_path, tensorflow_pool, weights=weights, centre=centre)
    options: dict[str, Any] = {"input_repr": "mel256", "size": 512, "centre": centre}
    assert_is_the_packages(embedding, tensorflow_pool, weights, n_samples=n_samples, hop_s=0.5, **options)


@pytest.mark.parametrize(("input_repr", "size"), [("mel256", 6144), ("mel128", 512), ("mel128", 6144), ("linear", 512)])
def test_every_form_of_the_network_is_the_packages(
    openl3: None, tmp_path: Path, tensorflow_pool: Executor, input_repr: str, size: int
) -> None:
    write = partial(write_openl3_weights, tmp_path / "weights.h5", input_repr=input_repr)
    weights = tensorflow_pool.submit(write).result()
    embedding = make(tmp_path, tensorflow_pool, weights=weights, input_repr=input_repr, size=size, hop_s=0.1)
    options: dict[str, Any] = {"input_repr": input_repr, "size": size, "centre": False}
    assert_is_the_packages(embedding, tensorflow_pool, weights, n_samples=60_000, hop_s=0.1, **options)


def test_saved_embedding_is_the_same(weights: Path, tmp_path: Path, tensorflow_pool: Executor) -> None:
    embedding = make(tmp_path, tensorflow_pool, weights=weights)
    save_embedding(tmp_path, embedding)
    assert load_embedding(tmp_path) == embedding
    assert load_embedding(tmp_path).id == embedding.id
    assert embedding.id.startswith("openl3-mel256-")


def test_packed_weights_are_the_same(weights: Path, tmp_path: Path, tensorflow_pool: Executor) -> None:
    packed = tmp_path / "weights.h5.gz"
    packed.write_bytes(gzip.compress(weights.read_bytes(), 1))
    digest = sha256_hex(packed.read_bytes())
    from_packed = make(tmp_path, tensorflow_pool, weights=packed, digest=digest)
    assert from_packed.id == make(tmp_path, tensorflow_pool, weights=weights).id


def test_weights_are_checked_before_they_are_unpacked(openl3: None, tmp_path: Path, tensorflow_pool: Executor) -> None:
    packed = tmp_path / "weights.h5.gz"
    packed.write_bytes(gzip.compress(bytes(range(256)) * 100)[:-20])
    digest = sha256_hex(packed.read_bytes())
    with pytest.raises(EmbeddingError, match=rf"its SHA-256 is {digest}, not 0{{64}} \(\[embedding\] weights_sha256"):
        make(tmp_path, tensorflow_pool, weights=packed, digest="0" * 64)
    with pytest.raises(EmbeddingError, match=r"weights.h5.gz: cannot be unpacked: .*get it again"):
        make(tmp_path, tensorflow_pool, weights=packed, digest=digest)


def test_other_files_are_refused(openl3: None, tmp_path: Path, tensorflow_pool: Executor) -> None:
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(EmbeddingError, match=r"text.h5: not the weights of openl3's mel256 network"):
        make(tmp_path, tensorflow_pool, weights=tmp_path / "text.h5")
    named = tmp_path / "openl3_audio_linear_env-v0_4_0.h5.gz"
    named.write_text("whatever")
    with pytest.raises(
        EmbeddingError, match=r"the name says linear_env, \[embedding.openl3\] mel256_env: give the oth"
    ):
        make(tmp_path, tensorflow_pool, weights=named)


@pytest.mark.parametrize(("content_type", "input_repr"), [("env", "mel256"), ("music", "linear")])
def test_missing_weights_say_where_to_get_them(
    openl3: None, tmp_path: Path, tensorflow_pool: Executor, content_type: str, input_repr: str
) -> None:
    address = f"https://github.com/marl/openl3/raw/models/openl3_audio_{input_repr}_{content_type}-v0_4_0.h5.gz"
    said = f"missing.h5: no weights of openl3: get {address} .*--openl3-weights .*SHA-256: none is published"
    with pytest.raises(EmbeddingError, match=said):
        make(
            tmp_path,
            tensorflow_pool,
            weights=tmp_path / "missing.h5",
            content_type=content_type,
            input_repr=input_repr,
        )
