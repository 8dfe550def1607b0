"""Which embeddings there are, and what is said of those that cannot be had."""

from pathlib import Path

import numpy as np
import pytest

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


def test_kind_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"kind 'openl3' is not in this version; .* compact, edgel3-sea, tflite"):
        make(tmp_path, kind="openl3")


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


def test_model_of_waveforms_comes_later(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "yamnet" / "yamnet_scores.tflite"
    with pytest.raises(EmbeddingError, match=r"\(15600,\).*not yet of waveforms"):
        make(tmp_path, kind=f"tflite:{model}", frontend="compact")


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
    assert load_study(study).embedding.model_path == tmp_path / "m" / "e.tflite"
