"""All heads at all levels: what is compared with what, with which figures, and what is said of it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sonyc_contract.labels import LABELS
from sonyc_trainer.findings import Comparison, Difference
from sonyc_trainer.statistics.bootstrap import Estimate
from sonyc_trainer.statistics.comparison import Comparisons, Decisions, auprc_of, flips_of
from sonyc_trainer.statistics.counts import one_hot
from sonyc_trainer.statistics.verdict import of_flips, verdict

HEADS, LEVELS = ("pcm", "v5", "any"), ("pcm", "v5", "v9")
SERVED_BY = {"pcm": "pcm", "v5": "v5", "v9": "any"}
N_CLIPS, N_GROUPS = 400, 50


def decisions(
    shares_right: Sequence[float] = (0.8, 0.8, 0.5), *, n_seeds: int = 1, n_clips: int = N_CLIPS, groups: int = N_GROUPS
) -> Decisions:
    """A study in which every head is right in the given share of clips at each level; what is lost is lost for all."""
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 8, n_clips)
    ease = rng.random(n_clips)
    wrong = (truth + rng.integers(1, 8, n_clips)) % 8
    probabilities = np.zeros((n_seeds, len(HEADS), len(LEVELS), n_clips, 8))
    for seed, head, level in np.ndindex(*probabilities.shape[:3]):
        is_right = ease + 0.01 * seed < shares_right[level]
        decided = np.where(is_right, truth, wrong)
        probabilities[seed, head, level] = np.where(one_hot(decided), 0.9, 0.1)
    return Decisions(
        heads=HEADS,
        levels=LEVELS,
        reference="pcm",
        served_by=SERVED_BY,
        groups=[f"recording-{n}" for n in rng.permutation(np.arange(n_clips) % groups)],
        truth=one_hot(truth),
        probabilities=probabilities,
        decided=one_hot(probabilities.argmax(axis=-1)),
    )


@pytest.fixture(scope="module")
def study() -> Decisions:
    """Nothing is lost at v5, much at v9."""
    return decisions(n_seeds=2)


@pytest.fixture(scope="module")
def compared(study: Decisions) -> Comparisons:
    """Compared with few resamples."""
    return Comparisons(study, seed=1, n_resamples=400)


def of(found: Sequence[Difference], comparison: Comparison) -> list[tuple[str, ...]]:
    """Cells and references of one comparison."""
    return [
        (one.trained, one.tested, one.reference_trained, one.reference_tested)
        for one in found
        if one.comparison is comparison
    ]


def test_cells_are_means_over_seeds(study: Decisions, compared: Comparisons) -> None:
    cell = next(cell for cell in compared.cells() if (cell.trained, cell.tested) == ("any", "v9"))
    truth = study.truth.argmax(axis=-1)
    expected = [f1_score(truth, study.decided[seed, 2, 2].argmax(axis=-1), average="macro") for seed in range(2)]
    assert cell.macro_f1.value == pytest.approx(np.mean(expected))
    assert cell.macro_f1_seed_sd == pytest.approx(np.std(expected, ddof=1))
    assert cell.macro_f1.low < cell.macro_f1.value < cell.macro_f1.high
    assert (cell.n_clips, cell.n_groups, cell.n_classes, cell.n_seeds) == (N_CLIPS, N_GROUPS, 8, 2)
    of_seeds = [one for one in compared.seeds() if (one.trained, one.tested) == ("any", "v9")]
    assert [one.macro_f1 for one in of_seeds] == pytest.approx(expected)


def test_what_is_compared_with_what(compared: Comparisons) -> None:
    found = compared.differences()
    assert of(found, Comparison.DEPLOYED) == [("v5", "v5", "pcm", "pcm"), ("any", "v9", "pcm", "pcm")]
    assert of(found, Comparison.TESTED) == [(h, k, h, "pcm") for h in HEADS for k in ("v5", "v9")]
    assert of(found, Comparison.TRAINED) == [(h, k, "pcm", k) for h in ("v5", "any") for k in LEVELS]


def test_a_loss_is_seen_and_no_loss_is_not(study: Decisions, compared: Comparisons) -> None:
    alike, lost = compared.differences()[:2]
    assert not alike.differs
    assert (alike.macro_f1.value, alike.p, alike.mcnemar_p, alike.n_lost, alike.n_won) == (0.0, 1.0, 1.0, 0, 0)
    assert lost.differs
    assert lost.macro_f1.high < 0
    assert lost.p_holm == pytest.approx(min(2 * lost.p, 1.0))
    n_lost = np.count_nonzero(
        (study.decided[0, 0, 0] == study.truth).all(axis=1) & ~(study.decided[0, 2, 2] == study.truth).all(axis=1)
    )
    assert (lost.n_lost, lost.n_won) == (n_lost, 0)
    assert lost.mcnemar_p_holm < 1e-9


def test_classes_under_thirty_clips_are_not_measurable() -> None:
    few = Comparisons(decisions(n_clips=200), seed=1, n_resamples=50).classes()
    assert {one.label for one in few} == set(LABELS)
    for one in few:
        assert one.is_measurable == (one.n_clips >= 30)
    assert {one.is_measurable for one in few} == {True, False}


def test_flips_are_against_the_same_head_uncompressed(study: Decisions) -> None:
    found = {(one.trained, one.tested): one for one in flips_of(study)}
    assert found["any", "pcm"].n_flips == 0
    n_changed = np.count_nonzero((study.decided[0, 2, 0] != study.decided[0, 2, 2]).any(axis=1))
    assert found["any", "v9"].n_flips == n_changed
    assert found["any", "v9"].share.value == pytest.approx(n_changed / N_CLIPS)


def test_areas_have_every_class_and_both_means(study: Decisions) -> None:
    found = auprc_of(study)
    assert len(found) == 9 * 10
    assert [one.label for one in found[:10]] == [*LABELS, "micro", "macro"]
    assert found[9].auprc == pytest.approx(np.mean([one.auprc for one in found[:8]]))


def test_one_recording_has_no_interval() -> None:
    found = Comparisons(decisions(groups=1), seed=1, n_resamples=50)
    assert np.isnan([found.cells()[0].macro_f1.low, found.differences()[0].p]).all()
    assert not any(one.differs for one in found.differences())


def test_same_seed_same_findings(study: Decisions, compared: Comparisons) -> None:
    again = Comparisons(study, seed=1, n_resamples=400)
    assert again.differences() == compared.differences()
    assert again.cells() == compared.cells()


def say(study: Decisions, seed: int = 1) -> str:
    """The verdict as one text."""
    found = Comparisons(study, seed=seed, n_resamples=400)
    return "\n".join(verdict(found.cells(), found.classes(), found.differences(), split="test"))


def test_verdict_names_levels_that_differ_and_levels_that_do_not(study: Decisions) -> None:
    text = say(study)
    assert "Compared on 400 test clips of 50 recordings or sensors" in text
    assert "v9 (head any) differs from pcm: macro-F1 is 0.3" in text
    assert "v5 cannot be told apart from pcm on these clips: v5 +0.000 (+0.000 to +0.000)." in text
    assert "Head v5 differs at v9 from itself at pcm: macro-F1 -0.3" in text
    assert "No head can be told apart from head pcm at any level." in text


def test_verdict_explains_an_interval_that_leaves_out_0_and_is_not_enough() -> None:
    alike = Difference(
        *(Comparison.DEPLOYED, "v5", "v5", "pcm", "pcm", 400, 50, Estimate(0, 0, 0), Estimate(0.03, 0.007, 0.06)),
        *(0.03, 0.06, 3, 9, 0.1, 0.2, False),
    )
    other = dataclasses.replace(alike, trained="any", tested="v9", macro_f1=Estimate(-0.01, -0.03, 0.02), p_holm=0.5)
    study = Comparisons(decisions(), seed=1, n_resamples=10)
    text = "\n".join(verdict(study.cells(), [], [alike, other], split="test"))
    assert "No level can be told apart from pcm on these clips: v5 +0.030" in text
    assert "The interval of v5 leaves out 0, but among 2 comparisons that can be chance." in text


def test_verdict_speaks_of_levels_that_no_head_is_meant_for() -> None:
    """As in the original study: heads for pcm, 3 and 5, tested at 7 and 9 too."""
    alike = dataclasses.replace(decisions((0.8, 0.8, 0.8)), served_by={"pcm": "pcm", "v5": "v5"})
    text = say(alike)
    assert "No level can" not in text
    assert "v5 cannot be told apart from pcm on these clips: v5 +0.000" in text
    assert (
        "No head is meant for v9; it cannot be told apart from pcm with head pcm +0.000 (+0.000 to +0.000); v5" in text
    )
    worse = say(dataclasses.replace(decisions(), served_by={"pcm": "pcm", "v5": "v5"}))
    assert "Head pcm differs at v9 from itself at pcm" in worse
    assert "No head is meant for v9" not in worse


def test_verdict_of_few_clips_is_that_there_are_few() -> None:
    text = say(decisions(n_clips=25, groups=10))
    assert "There are 25 test clips of 10 recordings or sensors: too few to compare levels at all." in text
    assert "differs" not in text


def test_verdict_warns_of_few_recordings() -> None:
    assert "With only 10 recordings or sensors the intervals are rough" in say(decisions(groups=10))


def test_verdict_of_flips(study: Decisions) -> None:
    text = of_flips(flips_of(study), SERVED_BY)
    assert text is not None
    assert text.startswith("Without looking at labels: with the head of v9, ")
    assert of_flips(flips_of(decisions((0.8, 0.8, 0.8))), SERVED_BY) is None
