"""How examples are divided into train, validation and test; pure functions, deterministic by seed."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonyc_trainer.errors import SelectionError
from sonyc_trainer.study import SplitMode, SplitSettings

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
SPLITS: Final = (TRAIN, VALIDATION, TEST)

LEFT_OUT: Final = ""
"""Instead of a split: the clip can be in none, because its recording is also in a test fold; or it only trains, and its
recording or fold is judged."""

_MAX_GROUPS_TO_REFINE = 2_000
_MAX_TRIALS = 12
_N_SHOWN = 12
_NO_LABEL = ""  # examples without a class are divided like one
_MISSING_COST = (1e6, 1e3, 1e4)
"""For a class that a split lacks: to train without it is worst, to choose by validation without it least."""

Counts = NDArray[np.float64]


class Example(NamedTuple):
    """What a split goes by."""

    labels: tuple[str, ...]
    group: str
    fold: int
    only_trains: bool = False


def divide(examples: Sequence[Example], settings: SplitSettings, *, seed: int) -> list[str]:
    """Give each example its split; those that only train do not change the others'.

    Args:
        examples: In any order; what each is given depends on `seed` and on the order.
        settings: Mode and sizes.
        seed: Of the shuffling.

    Returns:
        One of `SPLITS` per example, or `LEFT_OUT`.

    Raises:
        SelectionError: too few groups, folds that do not exist, or a class without an example to train on.
    """
    rng = np.random.default_rng(seed)
    judged = [example for example in examples if not example.only_trains]
    if settings.mode is SplitMode.FOLDS:
        splits = _by_folds(judged, settings, rng)
    elif settings.mode is SplitMode.RANDOM:
        splits = _random(_strata(judged), _fractions(settings), rng)
    else:
        splits = _grouped(judged, _fractions(settings), rng)
    if len(judged) < len(examples):
        splits = _with_others(examples, settings, splits)
    _check(examples, splits, SPLITS if settings.has_test else (TRAIN, VALIDATION))
    return splits


def _with_others(examples: Sequence[Example], settings: SplitSettings, of_judged: Sequence[str]) -> list[str]:
    """Put the examples that only train among those that are judged, whose splits are given."""
    split_of = iter(of_judged)
    splits = [LEFT_OUT if example.only_trains else next(split_of) for example in examples]
    rows = list(zip(examples, splits, strict=True))
    held_out = {example.group for example, split in rows if split in (VALIDATION, TEST)}
    return [
        TRAIN
        if example.only_trains and example.group not in held_out and example.fold not in settings.test_folds
        else split
        for example, split in rows
    ]


def _fractions(settings: SplitSettings) -> tuple[float, float, float]:
    held_out = settings.validation_fraction + settings.test_fraction
    return (1.0 - held_out, settings.validation_fraction, settings.test_fraction)


def _check(examples: Sequence[Example], splits: Sequence[str], wanted: Sequence[str]) -> None:
    trained = _classes([example for example, split in zip(examples, splits, strict=True) if split == TRAIN])
    if missing := sorted(_classes(examples) - trained):
        n_groups = len({example.group for example in examples if missing[0] in example.labels})
        raise SelectionError(
            f"no clip of class {missing[0]!r} is left to train on (it has {n_groups} groups in all): add recordings of "
            "it, leave the class out, or change the split"
        )
    labelled = {split for example, split in zip(examples, splits, strict=True) if example.labels}
    for split in wanted:
        if split not in labelled:
            raise SelectionError(f"the split leaves no clip for {split}: change the fractions or add recordings")


def _classes(examples: Sequence[Example]) -> set[str]:
    return {label for example in examples for label in example.labels}


def _strata(examples: Sequence[Example]) -> list[str]:
    """Give each example the rarest of its classes, so that a class that is mostly in mixtures is divided too."""
    numbers = Counter(label for example in examples for label in example.labels)
    return [min(example.labels, key=lambda label: (numbers[label], label), default=_NO_LABEL) for example in examples]


def _by_folds(examples: Sequence[Example], settings: SplitSettings, rng: np.random.Generator) -> list[str]:
    folds = sorted({example.fold for example in examples})
    if missing := [fold for fold in settings.test_folds if fold not in folds]:
        raise SelectionError(
            f"split.test_folds has {missing[0]}, but the clips have the folds {', '.join(map(str, folds[:_N_SHOWN]))}"
            f"{', ...' if len(folds) > _N_SHOWN else ''}"
        )
    if set(folds) <= set(settings.test_folds):
        raise SelectionError("split.test_folds has every fold that the clips have: leave one to train on")
    is_test = [example.fold in settings.test_folds for example in examples]
    tested = {example.group for example, test in zip(examples, is_test, strict=True) if test}
    rest = [index for index, example in enumerate(examples) if example.group not in tested]
    fractions = (1.0 - settings.validation_fraction, settings.validation_fraction, 0.0)
    divided = dict(zip(rest, _grouped([examples[index] for index in rest], fractions, rng), strict=True))
    return [TEST if test else divided.get(index, LEFT_OUT) for index, test in enumerate(is_test)]


def _random(labels: Sequence[str], fractions: tuple[float, ...], rng: np.random.Generator) -> list[str]:
    """Cut each class, shuffled, at the fractions; a class of three or more examples is in every split."""
    splits = [TRAIN] * len(labels)
    for label in sorted(set(labels)):
        members = rng.permutation([index for index, name in enumerate(labels) if name == label])
        n_test = _share(len(members), fractions[2], at_most=len(members) - 2)
        n_validation = _share(len(members), fractions[1], at_most=len(members) - 1 - n_test)
        for index in members[:n_test]:
            splits[index] = TEST
        for index in members[n_test : n_test + n_validation]:
            splits[index] = VALIDATION
    return splits


def _share(n: int, fraction: float, *, at_most: int) -> int:
    return min(max(round(n * fraction), 1), at_most) if fraction > 0 and n >= len(SPLITS) else 0


def _grouped(examples: Sequence[Example], fractions: tuple[float, ...], rng: np.random.Generator) -> list[str]:
    """Divide whole groups so that every split has about its share of every class.

    The largest groups are placed first, each where it does least harm, as scikit-learn's StratifiedGroupKFold does,
    but for splits of unequal size; then groups are moved while that helps. The best of a few orders is taken.
    """
    groups, counts = _count(examples)
    n_splits = sum(fraction > 0 for fraction in fractions)
    if len(groups) < n_splits:
        raise SelectionError(
            f"{len(groups)} groups (sensors or source recordings) cannot be divided into {n_splits} splits: add "
            "recordings, or use split.mode = 'random'"
        )
    problem = _Problem(counts, np.asarray(fractions))
    n_trials = min(max(_MAX_GROUPS_TO_REFINE // len(groups), 1), _MAX_TRIALS)
    trials = [problem.solve(rng, refine=len(groups) <= _MAX_GROUPS_TO_REFINE) for _ in range(n_trials)]
    best = min(trials, key=problem.cost)
    of_group = {group: SPLITS[split] for group, split in zip(groups, best, strict=True)}
    return [of_group[example.group] for example in examples]


def _count(examples: Sequence[Example]) -> tuple[list[str], Counts]:
    """Give the groups and, float64 [n_groups, n_labels], how many examples of each class they have."""
    numbers = Counter((example.group, label) for example in examples for label in example.labels or (_NO_LABEL,))
    groups = sorted({group for group, _ in numbers})
    labels = sorted({label for _, label in numbers})
    rows, columns = ({name: index for index, name in enumerate(names)} for names in (groups, labels))
    counts = np.zeros((len(groups), len(labels)))
    for (group, label), n in numbers.items():
        counts[rows[group], columns[label]] = n
    return groups, counts


class _Problem:
    """Groups to be placed into splits, and what a placement costs."""

    def __init__(self, counts: Counts, fractions: Counts) -> None:
        self._counts = counts
        self._open = np.flatnonzero(fractions > 0)
        self._targets: Counts = fractions[self._open, None] * counts.sum(axis=0)
        self._missing_cost = np.asarray(_MISSING_COST)[self._open]

    def cost(self, placement: NDArray[np.intp]) -> float:
        """Chi-square distance from the targets, and much more for every class that a split lacks."""
        return self._cost_of(self._sums(placement))

    def solve(self, rng: np.random.Generator, *, refine: bool) -> NDArray[np.intp]:
        """Place every group; intp [n_groups] of indices into `SPLITS`."""
        jitter = rng.uniform(0.75, 1.25, len(self._counts))
        order = np.argsort(-self._counts.sum(axis=1) * jitter, kind="stable")
        placement = np.zeros(len(self._counts), np.intp)
        sums = np.zeros_like(self._targets)
        for group in order:
            placement[group] = best = self._cheapest(sums, self._counts[group])
            sums[best] += self._counts[group]
        if refine:
            self._refine(placement, sums, rng)
        return np.asarray(self._open[placement], np.intp)

    def _cheapest(self, sums: Counts, group: Counts) -> int:
        """The split whose chi-square distance grows least; it is linear in what is missing."""
        growth = (group * (2.0 * (sums - self._targets) + group) / self._targets).sum(axis=1)
        return int(np.argmin(growth))

    def _refine(self, placement: NDArray[np.intp], sums: Counts, rng: np.random.Generator) -> None:
        cost = self._cost_of(sums)
        improved = True
        while improved:
            improved = False
            for group in rng.permutation(len(placement)):
                here = placement[group]
                for there in range(len(sums)):
                    moved = sums.copy()
                    moved[here] -= self._counts[group]
                    moved[there] += self._counts[group]
                    if (new := self._cost_of(moved)) < cost - 1e-9:
                        placement[group], cost, improved = there, new, True
                        sums[:] = moved
                        break

    def _sums(self, placement: NDArray[np.intp]) -> Counts:
        sums: Counts = np.zeros_like(self._targets)
        np.add.at(sums, np.searchsorted(self._open, placement), self._counts)
        return sums

    def _cost_of(self, sums: Counts) -> float:
        distance = float((np.square(sums - self._targets) / self._targets).sum())
        return distance + float(((sums == 0).sum(axis=1) * self._missing_cost).sum())
