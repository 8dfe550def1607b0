"""Multiplications counted in a model's graph."""

from pathlib import Path

import pytest

from sonyc_contract.bundle import EMBEDDING, head_member, read_bundle
from sonyc_contract.errors import ModelError
from sonyc_tools.bench.graphs import n_macs, open_litert


def test_dense_head_is_one_matrix_product(default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    assert n_macs(bundle.members[head_member("any")]) == bundle.manifest.embedding.n_dimensions * 8


def test_embedding_multiplies_more_than_its_weights(default_bundle: Path) -> None:
    model = read_bundle(default_bundle).members[EMBEDDING]
    assert n_macs(model) > len(model)


@pytest.mark.parametrize(
    ("path", "millions"),
    [
        ("yamnet/yamnet_scores.tflite", 70.7),
        ("sonyc/quantized_default_int8.tflite", 160.2),
        ("sonyc/mlp_ust.tflite", 0),
    ],
)
def test_known_models(shared_data: Path, path: str, millions: float) -> None:
    assert n_macs((shared_data / "models" / path).read_bytes()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_other_bytes_are_no_model() -> None:
    with pytest.raises(ModelError, match="not a TFLite model that loads"):
        open_litert(b"no model", with_delegate=True)
