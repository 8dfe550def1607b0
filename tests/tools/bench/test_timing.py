"""How repetitions are ordered, and what is made of them."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_tools.bench.timing import estimate, measure


def test_every_round_has_every_task_in_an_order_of_its_own() -> None:
    done: list[tuple[str, int]] = []
    tasks = {name: lambda rep, name=name: done.append((name, rep)) for name in "abcd"}
    times = measure(tasks, n_reps=8, n_warm_up=2)
    assert [rep for _, rep in done] == [rep for rep in range(10) for _ in tasks]
    orders = {tuple(name for name, rep in done if rep == k) for k in range(10)}
    assert all(sorted(order) == sorted(tasks) for order in orders)
    assert len(orders) > 3
    assert {name: len(found.cpu_s) for name, found in times.items()} == dict.fromkeys(tasks, 8)


def test_no_round_begins_when_the_time_is_over() -> None:
    times = measure({"sleep": lambda _rep: time.sleep(0.01)}, n_reps=1_000, max_s=0.05)
    assert 1 <= len(times["sleep"].wall_s) < 10
    assert len(measure({"sleep": lambda _rep: time.sleep(0.01)}, n_reps=5, max_s=0.0)["sleep"].wall_s) == 1


def test_processor_time_is_not_time_on_the_clock() -> None:
    def work(_rep: int) -> None:
        until_s = time.process_time() + 0.02
        while time.process_time() < until_s:
            pass

    times = measure({"sleep": lambda _rep: time.sleep(0.02), "work": work}, n_reps=3, n_warm_up=0)
    assert times["sleep"].cpu.median < 0.01
    assert times["sleep"].wall.median >= 0.02
    assert times["work"].cpu.median >= 0.02


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(1, 1, 1), (5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (12, 3, 10), (20, 6, 15)],  # tables of the sign test
)
def test_interval_of_the_median(n: int, low: int, high: int) -> None:
    found = estimate([float(k) for k in range(n, 0, -1)])
    assert (found.low, found.high, found.n) == (low, high, n)
    assert found.median == (n + 1) / 2


def test_interval_covers_the_median_95_times_in_100() -> None:
    generator = np.random.default_rng(1)
    found = [estimate(generator.exponential(size=20).tolist()) for _ in range(2_000)]
    covered = np.mean([one.low <= np.log(2) <= one.high for one in found])
    assert 0.945 < covered < 0.975


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_interval_holds_its_median(values: list[float]) -> None:
    found = estimate(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
