"""EdgeL3's SEA embedding from its published weights."""

import gzip
import hashlib
import subprocess
import sys
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from sonyc_contract.audio import read_audio, resample
from sonyc_contract.codec import round_trip
from sonyc_contract.levels import Level
from sonyc_contract.recognise import InputLayout
from sonyc_contract.runtime import Runtime, open_interpreter
from sonyc_trainer.embeddings.edgel3 import PUBLISHED, PUBLISHED_SHA256, EdgeL3Embedding
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.embeddings.registry import source_for
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from support.small_study import in_pool, small_study
from support.zenodo import FakeZenodo, serving


def make(folder: Path, weights: Path | None, pool: Executor) -> Embedding:
    study = small_study(folder, embedding={"kind": "edgel3-sea", "weights": weights})
    of_study = StudyFolder(folder, study)
    of_study.of(Stage.PRETRAIN).mkdir()
    embedding = source_for(study).make(of_study, in_pool(pool))
    assert isinstance(embedding, Embedding)
    return embedding


@pytest.fixture
def weights(shared_data: Path) -> Path:
    return shared_data / "models" / "edgel3" / "edgel3_sea_ust_audio_emb_64.h5.gz"


def test_level_hardly_matters_to_a_front_end_that_ends_at_4_khz(
    weights: Path, shared_data: Path, tmp_path: Path, tensorflow_pool: Executor
) -> None:
    """Published weights in the right places: the cosine of v9 to pcm is at least 0.998 over real street sound."""
    embedding = make(tmp_path, weights, tensorflow_pool)
    assert (embedding.spec.layout, embedding.spec.n_dimensions) == (InputLayout.MEL_TIME, 64)
    audio = read_audio(shared_data / "sonyc" / "06_002911.wav")
    samples = resample(audio.samples, audio.rate_hz, 48_000)
    embedder = embedding.open()
    coded = round_trip(samples, 48_000, level=Level.V9)
    pcm, v9 = (embedder.embed(signal, 48_000).mean(axis=0) for signal in (samples, coded))
    assert np.count_nonzero(pcm) > 32
    assert pcm @ v9 / np.linalg.norm(pcm) / np.linalg.norm(v9) > 0.998


def test_unpacked_file_gives_the_same(weights: Path, tmp_path: Path, tensorflow_pool: Executor) -> None:
    (tmp_path / "weights.h5").write_bytes(gzip.decompress(weights.read_bytes()))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    packed, unpacked = (
        make(tmp_path / name, path, tensorflow_pool) for name, path in (("a", weights), ("b", tmp_path / "weights.h5"))
    )
    assert packed.id == unpacked.id


def fetched(folder: Path, pool: Executor, zenodo: FakeZenodo, *, name: str) -> Embedding:
    study = StudyFolder(folder, small_study(folder, embedding={"kind": "edgel3-sea"}))
    study.of(Stage.PRETRAIN).mkdir(parents=True)
    url = f"{zenodo.address}/files/{name}/content"
    data = zenodo.files.get(name, b"")
    served = replace(PUBLISHED, url=url, size_bytes=len(data), md5=hashlib.md5(data).hexdigest())
    return EdgeL3Embedding(study.study.embedding, served).make(study, in_pool(pool))


def test_published_weights_are_fetched_where_none_are_named(
    weights: Path, tmp_path: Path, tensorflow_pool: Executor
) -> None:
    (tmp_path / "a").mkdir()
    zenodo = FakeZenodo({"sea.h5.gz": weights.read_bytes()}, breaks_after={"sea.h5.gz": 3_000_000})
    with serving(zenodo):
        embedding = fetched(tmp_path / "b", tensorflow_pool, zenodo, name="sea.h5.gz")
    assert embedding.id == make(tmp_path / "a", weights, tensorflow_pool).id
    assert PUBLISHED.size_bytes == weights.stat().st_size


def test_other_weights_than_the_published_are_refused(tmp_path: Path, tensorflow_pool: Executor) -> None:
    zenodo = FakeZenodo({"sea.h5.gz": b"others"})
    with serving(zenodo), pytest.raises(EmbeddingError, match=f"its SHA-256 is [0-9a-f]+, not {PUBLISHED_SHA256}"):
        fetched(tmp_path, tensorflow_pool, zenodo, name="sea.h5.gz")
    assert not list(StudyFolder(tmp_path, small_study(tmp_path)).of(Stage.PRETRAIN).glob("*.gz"))


def test_unreachable_weights_say_how_to_give_them(tmp_path: Path, tensorflow_pool: Executor) -> None:
    zenodo = FakeZenodo({"sea.h5.gz": b""})
    with serving(zenodo):
        pass
    gone = replace(PUBLISHED, url=f"{zenodo.address}/files/sea.h5.gz/content")
    study = StudyFolder(tmp_path, small_study(tmp_path, embedding={"kind": "edgel3-sea"}))
    study.of(Stage.PRETRAIN).mkdir()
    with pytest.raises(EmbeddingError, match=f"SHA-256 is {PUBLISHED_SHA256}, with --model edgel3-sea=FILE"):
        EdgeL3Embedding(study.study.embedding, gone).make(study, in_pool(tensorflow_pool))


def test_other_files_are_refused(tmp_path: Path, tensorflow_pool: Executor) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("model_weights")
    (tmp_path / "cut.h5.gz").write_bytes(gzip.compress(b"text" * 100)[:20])
    for name in ("other.h5", "cut.h5.gz", "missing.h5"):
        (tmp_path / f"of-{name}").mkdir()
        with pytest.raises(EmbeddingError, match=rf"{name}: not the weights of edgel3-sea"):
            make(tmp_path / f"of-{name}", tmp_path / name, tensorflow_pool)


@pytest.mark.slow
def test_conversion_for_the_benchmark(
    weights: Path, tmp_path: Path, runtime: Runtime, tensorflow_pool: Executor
) -> None:
    out = tmp_path / "sea.tflite"
    done = _convert(weights, out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: {out.stat().st_size} bytes\n"
    interpreter = open_interpreter(out.read_bytes(), runtime=runtime)
    assert (interpreter.input_shape, interpreter.output_shape) == ((64, 50, 1), (64,))
    windows = np.random.default_rng(1).uniform(-80, 0, (3, 64, 50, 1)).astype(np.float32)
    ours = open_interpreter(make(tmp_path, weights, tensorflow_pool).model, runtime=runtime)
    np.testing.assert_allclose(interpreter.run(windows), ours.run(windows), rtol=1e-5)


def test_conversion_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.h5").write_bytes(b"not weights")
    done = _convert(tmp_path / "other.h5", tmp_path / "sea.tflite")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sonyc-trainer: {tmp_path / 'other.h5'}: not the weights of edgel3-sea")
    assert not (tmp_path / "sea.tflite").exists()


def _convert(weights: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sonyc-trainer")), "convert-sea", str(weights), "--out", str(out)]
    return subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
