"""Which embeddings there are, and what is said of those that cannot be had."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from sonyc_contract.audio import read_audio, resample
from sonyc_contract.bundle import EMBEDDING, read_bundle
from sonyc_contract.errors import ConfigError
from sonyc_contract.frontend import SONYC_8K
from sonyc_contract.recognise import InputLayout
from sonyc_trainer.embeddings.compact import CompactEmbedding
from sonyc_trainer.embeddings.embedding import load_embedding, save_embedding
from sonyc_trainer.embeddings.registry import source_for
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.study import load_study
from support.small_study import small_study
from support.stage_runs import QUIET


def make(tmp_path: Path, **embedding: object):
    study = small_study(tmp_path, embedding=embedding)
    return source_for(study).make(StudyFolder(tmp_path, study), QUIET)


def test_compact_is_trained_by_default(tmp_path: Path) -> None:
    assert isinstance(source_for(small_study(tmp_path)), CompactEmbedding)


def test_sonycs_model_takes_its_own_front_end(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "sonyc" / "quantized_default_int8.tflite"
    embedding = make(tmp_path, kind=f"tflite:{model}", frontend="sonyc-8k")
    assert embedding.spec.layout is InputLayout.MEL_TIME
    assert (embedding.spec.frontend, embedding.spec.n_dimensions) == (SONYC_8K, 256)
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert embedding.open().embed(0.1 * noise, 8_000).shape == (3, 256)


def test_window_that_does_not_fit_the_model_is_refused(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "sonyc" / "quantized_default_int8.tflite"
    with pytest.raises(EmbeddingError, match=r"takes \(64, 51, 1\), but front end 'openl3'.* gives \(199, 256, 1\)"):
        make(tmp_path, kind=f"tflite:{model}", frontend="openl3")


@pytest.mark.parametrize("build", ["yamnet_scores", "yamnet_scores_logmel"])
def test_embedding_inside_yamnet(build: str, shared_data: Path, tmp_path: Path) -> None:
    """The reference is the whole model, with every tensor kept; index 112 of the first build is a published figure."""
    path = shared_data / "models" / "yamnet" / f"{build}.tflite"
    audio = read_audio(shared_data / "sonyc" / "06_002911.wav")
    samples = resample(audio.samples, audio.rate_hz, 16_000)
    embedding = make(tmp_path, kind=f"tflite:{path}", hop_s=0.96)
    got = embedding.open().embed(samples, 16_000)
    assert got.shape == (10, 1024)
    tensor = {"yamnet_scores": 112, "yamnet_scores_logmel": 121}[build]
    for window in (0, 4, 9):
        expected = inner_tensor(path, samples[15_360 * window :][:15_600], tensor)
        np.testing.assert_allclose(got[window], expected, rtol=0, atol=1e-6)
    assert embedding.open().embed(samples[:9_000], 16_000).shape == (1, 1024), "a short clip is one window"


def test_waveform_model_has_no_front_end(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "yamnet" / "yamnet_scores.tflite"
    with pytest.raises(EmbeddingError, match=r"takes the waveform: leave \[embedding\] frontend and window_s out"):
        make(tmp_path, kind=f"tflite:{model}", frontend="compact")


def inner_tensor(path: Path, samples: np.ndarray, tensor: int) -> np.ndarray:
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    whole = Interpreter(str(path), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
    whole.allocate_tensors()
    details = whole.get_input_details()[0]
    whole.set_tensor(details["index"], samples.reshape(details["shape"]))
    whole.invoke()
    return whole.get_tensor(tensor)[0]


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        ({"kind": "tflite:missing.tflite", "frontend": "compact"}, "missing.tflite: cannot be read: No such file"),
        ({"kind": "tflite:text", "frontend": "compact"}, "text: litert cannot load this model"),
        ({"kind": "compact", "weights": "text"}, "weights: .*text: not a bundle"),
        ({"kind": "compact", "weights": "missing"}, "weights: .*missing: cannot be read"),
    ],
)
def test_files_that_are_no_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedding: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no model\n" * 10)
    if "weights" in embedding:
        embedding["weights"] = tmp_path / str(embedding["weights"])
    with pytest.raises(EmbeddingError, match=message):
        make(tmp_path, **embedding)


def test_tflite_needs_a_front_end(default_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(read_bundle(default_bundle).members[EMBEDDING])
    with pytest.raises(EmbeddingError, match=r"needs 'frontend', .* one of compact, openl3"):
        make(tmp_path, kind=f"tflite:{tmp_path / 'model.tflite'}")
    with pytest.raises(EmbeddingError, match="unknown front end 'mel'"):
        make(tmp_path, kind=f"tflite:{tmp_path / 'model.tflite'}", frontend="mel")


def test_tflite_file_of_compact_is_the_embedding_of_the_bundle(default_bundle: Path, tmp_path: Path) -> None:
    bundle = read_bundle(default_bundle)
    (tmp_path / "model.tflite").write_bytes(bundle.members[EMBEDDING])
    by_path = make(tmp_path, kind=f"tflite:{tmp_path / 'model.tflite'}", frontend="compact", window_s=0.975)
    by_bundle = make(tmp_path, kind="compact", weights=default_bundle)
    assert by_path.model == by_bundle.model
    assert by_bundle.spec == bundle.manifest.embedding
    assert by_path.id != by_bundle.id, "another name is another specification"


def test_hop_that_does_not_fit_the_frames_is_refused(default_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"hop_s: .*hop_s = 0.123"):
        make(tmp_path, kind="compact", weights=default_bundle, hop_s=0.123)


def test_saved_embedding_is_the_same(default_bundle: Path, tmp_path: Path) -> None:
    embedding = make(tmp_path, kind="compact", weights=default_bundle)
    save_embedding(tmp_path, embedding)
    assert load_embedding(tmp_path) == embedding
    assert load_embedding(tmp_path).id == embedding.id
    (tmp_path / "spec.json").write_text("{}")
    with pytest.raises(EmbeddingError, match=r"spec.json: key 'name' is missing"):
        load_embedding(tmp_path)
    (tmp_path / "spec.json").unlink()
    with pytest.raises(EmbeddingError, match="run stage 'pretrain'"):
        load_embedding(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('kind = "compact"\nfrontend = "openl3"', "'frontend' and 'window_s' belong to kind 'tflite:PATH'"),
        ('kind = "tflite:m.tflite"\nweights = "w"', "'weights' does not belong to kind 'tflite:PATH'"),
        ('kind = "vggish"', "embedding.kind"),
        ('kind = "compact"\nopenl3.size = 6144', "'openl3' and 'weights_sha256' belong to kind 'openl3'"),
        ('kind = "openl3"\nopenl3.size = 128', "embedding.openl3.size"),
    ],
)
def test_settings_that_do_not_fit_the_kind(tmp_path: Path, table: str, message: str) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f'name = "s"\n[[dataset]]\nname = "d"\nformat = "scenes"\nscenes = {{}}\n[embedding]\n{table}\n')
    with pytest.raises(ConfigError, match=message):
        load_study(study)


def test_model_paths_count_from_the_study(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        'name = "s"\n[[dataset]]\nname = "d"\nformat = "scenes"\nscenes = {}\n[embedding]\nkind = "tflite:m/e.tflite"\n'
    )
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "e.tflite").touch()
    assert load_study(study).embedding.model_path == tmp_path / "m" / "e.tflite"
