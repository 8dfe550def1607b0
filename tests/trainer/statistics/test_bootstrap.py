"""The paired cluster bootstrap, held against resampling the clips themselves and against known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from sonyc_trainer.statistics.bootstrap import difference_p, draws, estimate, resampled
from sonyc_trainer.statistics.counts import cluster_counts, cluster_indices, figures, one_hot

CLIPS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 4)), min_size=1, max_size=40)


def random_clips(n: int, *, n_clusters: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and decision (right in about 60 %) as indices, and clusters, each of which occurs."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 8, n)
    decided = np.where(rng.random(n) < 0.6, truth, rng.integers(0, 8, n))
    clusters = np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n - n_clusters)])
    return truth, decided, clusters


@given(CLIPS)
def test_figures_of_counts_are_those_of_the_clips(clips: list[tuple[int, int, int]]) -> None:
    truth, decided, groups = np.array(clips).T
    counts = cluster_counts(one_hot(truth), one_hot(decided), cluster_indices([str(group) for group in groups]))
    found = figures(counts.sum(axis=0))
    present = sorted(set(truth.tolist()))
    assert found.accuracy == pytest.approx(np.mean(truth == decided))
    expected = f1_score(truth, decided, labels=present, average="macro", zero_division=0.0)
    assert found.macro_f1 == pytest.approx(expected)
    assert np.flatnonzero(~np.isnan(found.f1)).tolist() == present


def test_class_sets_are_right_only_as_a_whole() -> None:
    truth = np.zeros((3, 8), bool)
    truth[:2, [5, 6]] = True  # the third clip has no class, and none is decided for it
    decided = truth.copy()
    decided[1, 6] = False
    found = figures(cluster_counts(truth, decided, np.zeros(3, np.int64)).sum(axis=0))
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.f1[[5, 6]] == pytest.approx([1.0, 2 / 3])
    assert found.macro_f1 == pytest.approx(5 / 6)


def test_resampled_counts_are_those_of_resampled_clips() -> None:
    truth, decided, clusters = random_clips(120, n_clusters=17)
    counts = cluster_counts(one_hot(truth), one_hot(decided), clusters)
    drawn = draws(17, n_resamples=25, seed=3)
    found = resampled(counts, drawn)
    for row, times in enumerate(drawn.astype(int)):
        clips = np.concatenate([np.flatnonzero(clusters == c) for c in np.repeat(np.arange(17), times)])
        labels = sorted(set(truth[clips].tolist()))
        expected = f1_score(truth[clips], decided[clips], labels=labels, average="macro", zero_division=0.0)
        assert found.macro_f1[row] == pytest.approx(expected)
        assert found.accuracy[row] == pytest.approx(np.mean(truth[clips] == decided[clips]))


def test_all_cells_share_their_resamples() -> None:
    """A cell that differs from another by nothing has a difference of 0 in every resample."""
    truth, decided, clusters = random_clips(60, n_clusters=9)
    counts = cluster_counts(one_hot(truth), one_hot(decided), clusters)
    found = resampled(np.stack([counts, counts]), draws(9, n_resamples=200, seed=1))
    np.testing.assert_array_equal(found.macro_f1[0], found.macro_f1[1])
    assert difference_p(found.macro_f1[0] - found.macro_f1[1]) == 1.0


def test_draws_are_those_of_the_seed() -> None:
    np.testing.assert_array_equal(draws(50, n_resamples=100, seed=5), draws(50, n_resamples=100, seed=5))
    assert (draws(50, n_resamples=100, seed=5) != draws(50, n_resamples=100, seed=6)).any()
    assert (draws(50, n_resamples=100, seed=5).sum(axis=1) == 50).all()


def test_interval_of_independent_clips_is_that_of_a_share() -> None:
    """Clusters of one clip: the interval of accuracy is the binomial one, here within a standard normal's."""
    truth = np.zeros(400, np.int64)
    decided = np.where(np.arange(400) < 300, 0, 1)
    counts = cluster_counts(one_hot(truth), one_hot(decided), np.arange(400))
    found = estimate(0.75, resampled(counts, draws(400, n_resamples=4_000, seed=1)).accuracy)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert [found.low, found.high] == pytest.approx([0.75 - half, 0.75 + half], abs=0.004)


def test_interval_is_wider_where_clips_come_in_clusters() -> None:
    """Twenty recordings of twenty clips that are all right or all wrong tell no more than twenty clips."""
    truth = np.zeros(400, np.int64)
    clusters = np.repeat(np.arange(20), 20)
    decided = np.where(clusters < 15, 0, 1)
    counts = cluster_counts(one_hot(truth), one_hot(decided), clusters)
    found = estimate(0.75, resampled(counts, draws(20, n_resamples=4_000, seed=1)).accuracy)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 20), abs=0.03)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """150 made studies of 40 clusters: about 95 % of the intervals of accuracy hold the true 0.7."""
    covered = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rates = rng.beta(7, 3, 40)
        decided = np.where(rng.random((40, 5)) < rates[:, None], 0, 1).ravel()
        counts = cluster_counts(one_hot(np.zeros(200, np.int64)), one_hot(decided), np.repeat(np.arange(40), 5))
        found = estimate(0.0, resampled(counts, draws(40, n_resamples=500, seed=seed)).accuracy)
        covered += found.low <= 0.7 <= found.high
    assert 0.88 <= covered / 150 <= 0.99


def test_p_of_a_difference() -> None:
    assert difference_p(np.full(999, 0.1)) == pytest.approx(2 / 1_000)
    assert difference_p(np.concatenate([np.full(950, 0.1), np.full(49, -0.1)])) == pytest.approx(2 * 50 / 1_000)
    assert difference_p(np.array([-1.0, 1.0])) == 1.0
    assert np.isnan(difference_p(np.array([np.nan])))


def test_class_that_a_resample_lacks_is_left_out_there() -> None:
    """Dog is in one of two clusters: a resample without it has the other class only, and its own F1 is left out."""
    counts = cluster_counts(one_hot(np.array([7, 0])), one_hot(np.array([0, 0])), np.array([0, 1]))
    found = resampled(counts, np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    assert found.macro_f1 == pytest.approx([0.0, 1.0, 1 / 3])
    np.testing.assert_array_equal(np.isnan(found.f1[:, 7]), [False, True, False])
    interval = estimate(0.0, found.f1[:, 7])
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_nothing_known_has_no_interval() -> None:
    found = estimate(0.5, np.full(10, np.nan))
    assert found.value == 0.5
    assert np.isnan([found.low, found.high]).all()
