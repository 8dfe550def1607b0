"""How clips are arranged for a head, and the standardisation that is folded into it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sonyc_contract.recognise import Pooling
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.embeddings.vectors import ClipVectors
from sonyc_trainer.errors import StageError
from sonyc_trainer.head_data import fit_standardiser, head_data
from sonyc_trainer.study import ClassWeights

LABELS = ["dog", "engine", "dog"]
N_WINDOWS = np.array([2, 1, 3])


@pytest.fixture
def vectors() -> ClipVectors:
    rng = np.random.default_rng(0)
    clips = pd.DataFrame(
        {"clip_id": list("abc"), "labels": [[name] for name in LABELS], "group": list("ghi"), "split": "train"}
    )
    return ClipVectors(clips, N_WINDOWS, rng.normal(2.0, 3.0, (6, 4)).astype(np.float32), "id")


def test_mean_embedding_has_one_row_per_clip(vectors: ClipVectors) -> None:
    data = head_data([vectors], Pooling.MEAN_EMBEDDING)
    assert data.rows.shape == (1, 3, 1, 4)
    np.testing.assert_array_equal(data.rows[0, 2, 0], vectors.vectors[3:].mean(axis=0))
    assert data.mask.tolist() == [[1.0], [1.0], [1.0]]


def test_max_embedding_has_one_row_per_clip(vectors: ClipVectors) -> None:
    data = head_data([vectors], Pooling.MAX_EMBEDDING)
    np.testing.assert_array_equal(data.rows[0, 0, 0], vectors.vectors[:2].max(axis=0))


def test_logits_are_pooled_over_all_windows(vectors: ClipVectors) -> None:
    data = head_data([vectors], Pooling.MAX_LOGIT)
    assert data.rows.shape == (1, 3, 3, 4)
    assert data.mask.tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
    np.testing.assert_array_equal(data.rows[0, 2], vectors.vectors[3:])


def test_labels_targets_and_weights(vectors: ClipVectors) -> None:
    data = head_data([vectors], Pooling.MEAN_EMBEDDING)
    assert data.truth.argmax(axis=1).tolist() == [7, 0, 7]
    assert data.targets.sum(axis=1).tolist() == [1, 1, 1]
    assert data.weights(ClassWeights.BALANCED).tolist() == [0.75, 1.5, 0.75]
    assert data.weights(ClassWeights.NONE).tolist() == [1.0, 1.0, 1.0]


def test_background_counts_like_a_class_where_one_is_decided(vectors: ClipVectors) -> None:
    labels = pd.Series([["dog"], [], []])
    data = head_data([dataclasses.replace(vectors, clips=vectors.clips.assign(labels=labels))], Pooling.MEAN_EMBEDDING)
    assert not data.targets[1:].any()
    assert data.weights(ClassWeights.BALANCED, LabelMode.SINGLE).tolist() == [1.5, 0.75, 0.75]
    assert data.weights(ClassWeights.BALANCED, LabelMode.MULTI).tolist() == pytest.approx([9 / 5, 3 / 5, 3 / 5])


def test_levels_of_other_clips_are_refused(vectors: ClipVectors) -> None:
    other = dataclasses.replace(vectors, clips=vectors.clips.assign(clip_id=list("abd")))
    with pytest.raises(StageError, match="not of the same clips"):
        head_data([vectors, other], Pooling.MEAN_EMBEDDING)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_standardised_rows_have_mean_0_and_deviation_1(vectors: ClipVectors, pooling: Pooling) -> None:
    data = head_data([vectors, vectors], pooling)
    rows = fit_standardiser(data)(data.rows)[:, data.mask > 0].reshape(-1, 4)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-5)


def test_folded_layer_equals_standardising_first(vectors: ClipVectors) -> None:
    rng = np.random.default_rng(1)
    data = head_data([vectors], Pooling.MEAN_EMBEDDING)
    standardiser = fit_standardiser(data)
    kernel, bias = rng.normal(size=(4, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    folded_kernel, folded_bias = standardiser.folded(kernel, bias)
    assert folded_kernel.dtype == folded_bias.dtype == np.float32
    rows = data.rows[0, :, 0]
    np.testing.assert_allclose(rows @ folded_kernel + folded_bias, standardiser(rows) @ kernel + bias, atol=1e-4)


def test_nearly_dead_dimension_is_not_blown_up(vectors: ClipVectors) -> None:
    nearly_dead = vectors.vectors.copy()
    nearly_dead[:, 0] = 1e-6 * np.arange(6)
    data = head_data([dataclasses.replace(vectors, vectors=nearly_dead)], Pooling.MEAN_EMBEDDING)
    standardiser = fit_standardiser(data)
    assert standardiser.std[0] >= 0.03 * standardiser.std[1:].mean()
