"""Class weights, early stopping, curves."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_trainer.errors import TrainingError
from sonyc_trainer.learning import CurveFile, EarlyStopping, Epoch, balanced_weights, class_flags, targets


def test_classes_count_alike() -> None:
    weights = balanced_weights(class_flags([["dog"]] * 6 + [["music"]] * 2))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:6].sum() == pytest.approx(weights[6:].sum())


def test_mixtures_and_clips_of_no_class_have_weights_too() -> None:
    """Of five clips two are dogs: a dog would have 5 / (2 x 2), music 5 / 2, the mixture their mean."""
    weights = balanced_weights(class_flags([["dog"], ["dog", "music"], [], [], []]))
    assert weights.mean() == pytest.approx(1.0)
    assert weights / weights[2] == pytest.approx([1.25, (1.25 + 2.5) / 2, 1, 1, 1])
    assert balanced_weights(class_flags([[], []])).tolist() == [1.0, 1.0]


def test_clips_of_no_class_can_count_together_like_a_class() -> None:
    truth = class_flags([["dog"]] * 6 + [["music"]] * 2 + [[]] * 40)
    weights = balanced_weights(truth, none_is_a_class=True)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:6].sum() == pytest.approx(weights[6:8].sum()) == pytest.approx(weights[8:].sum())
    labelled = truth[:8]
    assert balanced_weights(labelled, none_is_a_class=True).tolist() == balanced_weights(labelled).tolist()


def test_targets_follow_the_taxonomy() -> None:
    flags = class_flags([["engine"], ["dog", "engine"], []])
    assert targets(flags).tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 1], [0] * 8]


def test_best_weights_are_kept_until_patience_is_over() -> None:
    stopping = EarlyStopping(patience=2)
    weights = [np.zeros(2)]
    ends = []
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.5, 0.5]):
        weights[0][:] = epoch
        ends.append(stopping.is_over(epoch, loss, weights))
        if ends[-1]:
            break
    assert ends == [False, False, False, True]
    assert stopping.best_epoch == 1
    assert stopping.weights[0].tolist() == [1, 1], "later epochs wrote over what was to be kept"


def test_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(TrainingError, match="epoch 3 is nan: lower learning_rate"):
        EarlyStopping(patience=2).is_over(2, float("nan"), [])


def test_curve_grows_by_a_line_per_epoch(tmp_path: Path) -> None:
    curve = CurveFile(tmp_path / "curve.csv")
    curve.add(Epoch(1, 0.5, 0.25, 1.0))
    assert (tmp_path / "curve.csv").read_text() == (
        "epoch,train_loss,validation_loss,validation_accuracy\n1,0.500000,0.250000,1.000000\n"
    )
