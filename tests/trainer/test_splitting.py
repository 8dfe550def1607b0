"""Splits: whole groups, matched classes, folds, shares; the same for the same seed."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_trainer.errors import SelectionError
from sonyc_trainer.splitting import LEFT_OUT, SPLITS, TEST, TRAIN, VALIDATION, Example, divide
from sonyc_trainer.study import SplitMode, SplitSettings

GROUPED = SplitSettings()
RANDOM = SplitSettings(mode=SplitMode.RANDOM)
FOLDS = SplitSettings(mode=SplitMode.FOLDS, test_folds=(1,))
LABELS = ("engine", "music", "dog")


def examples_of(n_groups: int, *, seed: int, labels: Sequence[str] = LABELS, max_clips: int = 12) -> list[Example]:
    """Groups of unequal size with one or two classes each, as sensors have."""
    rng = np.random.default_rng(seed)
    examples = []
    for group in range(n_groups):
        here = rng.choice(labels, size=2)
        for _ in range(rng.integers(1, max_clips + 1)):
            examples.append(Example((str(rng.choice(here)),), f"g{group}", int(group % 5)))
    return examples


def groups_by_split(examples: Sequence[Example], splits: Sequence[str]) -> dict[str, set[str]]:
    groups = defaultdict(set)
    for example, split in zip(examples, splits, strict=True):
        groups[split].add(example.group)
    return groups


def shares(examples: Sequence[Example], splits: Sequence[str], split: str) -> dict[str, float]:
    """Of each class, the share that a split has."""
    whole = Counter(example.labels[0] for example in examples)
    part = Counter(example.labels[0] for example, name in zip(examples, splits, strict=True) if name == split)
    return {label: part[label] / whole[label] for label in whole}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n_groups=st.integers(12, 40))
def test_groups_are_never_torn_apart(seed: int, n_groups: int) -> None:
    examples = examples_of(n_groups, seed=seed)
    groups = groups_by_split(examples, divide(examples, GROUPED, seed=1))
    assert set(groups) == set(SPLITS)
    assert not groups[TRAIN] & groups[TEST]
    assert not groups[TRAIN] & groups[VALIDATION]
    assert not groups[VALIDATION] & groups[TEST]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_classes_are_matched_in_every_split(seed: int) -> None:
    examples = examples_of(60, seed=seed)
    splits = divide(examples, GROUPED, seed=seed)
    for split, wanted in ((TRAIN, 0.6), (VALIDATION, 0.2), (TEST, 0.2)):
        assert shares(examples, splits, split) == pytest.approx(dict.fromkeys(LABELS, wanted), abs=0.04)


@pytest.mark.parametrize("config", [GROUPED, RANDOM, FOLDS])
def test_same_seed_gives_the_same_split(config: SplitSettings) -> None:
    examples = examples_of(40, seed=3)
    first = divide(examples, config, seed=7)
    assert divide(examples, config, seed=7) == first
    assert divide(examples, config, seed=8) != first


def test_rare_class_is_in_every_split_where_it_can_be() -> None:
    rare = [Example(("dog",), f"g{group}", 0) for group in (0, 5, 9)]
    examples = examples_of(20, seed=2, labels=("engine", "music")) + rare
    splits = divide(examples, GROUPED, seed=1)
    assert sorted(splits[-3:]) == sorted(SPLITS)


def test_class_of_one_recording_is_trained_on() -> None:
    examples = [*examples_of(20, seed=2, labels=("engine", "music")), *[Example(("dog",), "only", 0)] * 4]
    assert divide(examples, GROUPED, seed=1)[-4:] == [TRAIN] * 4


def test_shares_of_other_sizes() -> None:
    examples = examples_of(80, seed=5)
    config = SplitSettings(validation_fraction=0.1, test_fraction=0.5)
    splits = divide(examples, config, seed=1)
    assert shares(examples, splits, TEST) == pytest.approx(dict.fromkeys(LABELS, 0.5), abs=0.03)
    assert shares(examples, splits, VALIDATION) == pytest.approx(dict.fromkeys(LABELS, 0.1), abs=0.03)


def test_random_split_is_stratified_and_tears_groups() -> None:
    examples = examples_of(30, seed=1)
    splits = divide(examples, RANDOM, seed=1)
    assert shares(examples, splits, TEST) == pytest.approx(dict.fromkeys(LABELS, 0.2), abs=0.02)
    groups = groups_by_split(examples, splits)
    assert groups[TRAIN] & groups[TEST]


@given(n=st.integers(3, 30), validation=st.floats(0.01, 0.48), test=st.floats(0.01, 0.48))
def test_random_split_of_a_small_class_fills_every_split(n: int, validation: float, test: float) -> None:
    config = SplitSettings(mode=SplitMode.RANDOM, validation_fraction=validation, test_fraction=test)
    assert set(divide([Example(("dog",), "g", 0)] * n, config, seed=1)) == set(SPLITS)


def test_test_folds_are_the_test_set() -> None:
    examples = examples_of(60, seed=4)
    splits = divide(examples, FOLDS, seed=1)
    assert {example.fold for example, split in zip(examples, splits, strict=True) if split == TEST} == {1}
    assert all(split == TEST for example, split in zip(examples, splits, strict=True) if example.fold == 1)
    groups = groups_by_split(examples, splits)
    assert not groups[TRAIN] & groups[VALIDATION]
    rest = [example for example in examples if example.fold != 1]
    of_rest = [split for split in splits if split != TEST]
    assert shares(rest, of_rest, VALIDATION) == pytest.approx(dict.fromkeys(LABELS, 0.2), abs=0.05)


def test_recording_in_a_test_fold_is_left_out_of_the_others() -> None:
    examples = examples_of(60, seed=4)
    tested = next(example for example in examples if example.fold == 1)
    examples += [Example(("dog",), tested.group, 2), Example(("dog",), "elsewhere", 2)]
    splits = divide(examples, FOLDS, seed=1)
    assert splits[-2] == LEFT_OUT
    assert splits[-1] in {TRAIN, VALIDATION}
    assert splits.count(LEFT_OUT) == 1


def test_fold_that_does_not_exist_is_refused() -> None:
    config = SplitSettings(mode=SplitMode.FOLDS, test_folds=(1, 9))
    with pytest.raises(SelectionError, match=r"test_folds has 9, but the clips have the folds 0, 1, 2, 3, 4"):
        divide(examples_of(20, seed=1), config, seed=1)


def test_folds_that_leave_nothing_to_train_on_are_refused() -> None:
    config = SplitSettings(mode=SplitMode.FOLDS, test_folds=(0, 1, 2, 3, 4))
    with pytest.raises(SelectionError, match="has every fold that the clips have"):
        divide(examples_of(20, seed=1), config, seed=1)


def test_class_that_is_only_in_the_test_fold_is_refused() -> None:
    examples = [*examples_of(20, seed=1, labels=("engine", "music")), Example(("dog",), "far", 1)]
    with pytest.raises(SelectionError, match="no clip of class 'dog' is left to train on"):
        divide(examples, FOLDS, seed=1)


def test_too_few_groups_are_refused() -> None:
    examples = [Example(("dog",), f"g{group}", 0) for group in (0, 1) for _ in range(10)]
    with pytest.raises(SelectionError, match=r"2 groups .* cannot be divided into 3 splits"):
        divide(examples, GROUPED, seed=1)


def test_many_groups_are_divided_in_one_pass() -> None:
    examples = [Example((LABELS[index % 3],), f"g{index}", 0) for index in range(20_000)]
    splits = divide(examples, GROUPED, seed=1)
    for split, wanted in ((TRAIN, 0.6), (VALIDATION, 0.2), (TEST, 0.2)):
        assert shares(examples, splits, split) == pytest.approx(dict.fromkeys(LABELS, wanted), abs=0.001)


def test_every_class_of_a_mixture_counts() -> None:
    """Dogs bark only where music plays: the split by groups and the one by clips give both to all three."""
    examples = [Example(("dog", "music") if n % 4 == 0 else ("music",), f"g{n // 4}", 0) for n in range(200)]
    examples += [Example((), f"g{n}", 0) for n in range(50)]
    for config in (GROUPED, RANDOM):
        splits = divide(examples, config, seed=1)
        pairs = Counter(
            (label, split)
            for example, split in zip(examples, splits, strict=True)
            for label in example.labels or ("nothing",)
        )
        for label, n in (("dog", 50), ("music", 200), ("nothing", 50)):
            assert [pairs[label, split] / n for split in SPLITS] == pytest.approx([0.6, 0.2, 0.2], abs=0.03)


def test_class_that_is_only_in_mixtures_must_be_trained_on() -> None:
    examples = [*examples_of(20, seed=1, labels=("engine", "music")), Example(("engine", "dog"), "far", 1)]
    with pytest.raises(SelectionError, match="no clip of class 'dog' is left to train on"):
        divide(examples, FOLDS, seed=1)


@pytest.mark.parametrize("config", [GROUPED, RANDOM, FOLDS], ids=lambda config: str(config.mode))
def test_examples_that_only_train_follow_and_change_nothing(config: SplitSettings) -> None:
    judged = examples_of(40, seed=3)
    more = [example._replace(only_trains=True) for example in judged[::2]]
    new = [Example(("dog",), "another recording", fold, only_trains=True) for fold in (-1, 1, 2)]
    examples = [*more, *judged, *new]
    splits = divide(examples, config, seed=1)
    of_judged = divide(judged, config, seed=1)
    assert splits[len(more) : len(more) + len(judged)] == of_judged
    held_out = {example.group for example, split in zip(judged, of_judged, strict=True) if split in (VALIDATION, TEST)}
    for example, split in zip(more, splits, strict=False):
        assert split == (LEFT_OUT if example.group in held_out else TRAIN)
    assert splits[-3:] == [TRAIN, LEFT_OUT if config is FOLDS else TRAIN, TRAIN]


def test_class_may_be_learned_from_examples_that_only_train() -> None:
    judged = examples_of(40, seed=3, labels=("engine", "music"))
    examples = [*judged, *[Example(("dog",), f"d{n}", 2, only_trains=True) for n in range(3)]]
    assert divide(examples, GROUPED, seed=1)[-3:] == [TRAIN] * 3
