"""Measures tasks beside each other: warmed up, in rounds of a shuffled order, so that others disturb all alike."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Task = Callable[[int], object]
"""Does one repetition; is told which, so that it may take another clip each time."""

_TAIL = 0.025


@dataclass(frozen=True)
class Estimate:
    """A median, with its interval at 95 %.

    The interval goes from one order statistic to another (binomial, free of any distribution); of fewer than six values
    it is all of them.
    """

    median: float
    low: float
    high: float
    n: int

    def scaled(self, factor: float) -> "Estimate":
        """Give it in another unit."""
        return Estimate(self.median * factor, self.low * factor, self.high * factor, self.n)


@dataclass(frozen=True)
class Times:
    """What the repetitions of a task took.

    Attributes:
        cpu_s: float64 [n_reps], processor time of the whole process.
        wall_s: float64 [n_reps].
    """

    cpu_s: NDArray[np.float64]
    wall_s: NDArray[np.float64]

    @property
    def cpu(self) -> Estimate:
        """Median processor time in seconds."""
        return estimate(self.cpu_s.tolist())

    @property
    def wall(self) -> Estimate:
        """Median time on the clock, in seconds."""
        return estimate(self.wall_s.tolist())

    def wall_quantile_s(self, share: float) -> float:
        """Give the time that `share` of the repetitions did not exceed."""
        return float(np.quantile(self.wall_s, share))


def measure(
    tasks: Mapping[str, Task],
    *,
    n_reps: int,
    n_warm_up: int = 2,
    max_s: float = math.inf,
    seed: int = 1,
) -> dict[str, Times]:
    """Repeat every task `n_reps` times, each round in another order, after `n_warm_up` rounds that do not count.

    Args:
        tasks: What to measure, by name.
        n_reps: Rounds that count, at least 1.
        n_warm_up: Rounds before.
        max_s: No further round begins after so long, if one was counted.
        seed: Of the orders.
    """
    generator = np.random.default_rng(seed)
    names = list(tasks)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    started_s = time.monotonic()
    for rep in range(n_warm_up + n_reps):
        if rep > n_warm_up and time.monotonic() - started_s > max_s:
            break
        for index in generator.permutation(len(names)):
            name = names[index]
            took = _timed(tasks[name], rep)
            if rep >= n_warm_up:
                taken[name].append(took)
    return {name: Times(*np.array(pairs).T) for name, pairs in taken.items()}


def estimate(values: Sequence[float]) -> Estimate:
    """Give the median of at least one value, with its interval."""
    ordered = sorted(values)
    n = len(ordered)
    skipped = _n_skipped(n)
    return Estimate(float(np.median(ordered)), ordered[skipped], ordered[n - 1 - skipped], n)


def _timed(task: Task, rep: int) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    task(rep)
    return time.process_time() - cpu_s, time.perf_counter() - wall_s


def _n_skipped(n: int) -> int:
    """Say how many values at each end lie outside the interval: the most whose binomial tail is at most 2.5 %."""
    below, k = 0.0, 0
    while (below := below + math.comb(n, k) / 2**n) <= _TAIL:
        k += 1
    return max(0, k - 1)
