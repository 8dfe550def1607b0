"""Cascades give what scipy.signal gives, whatever the blocks, without importing it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_device.level.sections import Cascade, find_kernel, response
from sonyc_device.level.weighting import Weighting, stages

SECTIONS = stages(48_000)[Weighting.C]


def noise(n: int, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_gives_what_scipy_gives() -> None:
    from scipy.signal import sosfilt

    samples = noise(5_000)
    np.testing.assert_array_equal(Cascade(SECTIONS).run(samples), sosfilt(SECTIONS, samples))


@given(st.lists(st.integers(0, 400), max_size=8))
def test_state_is_kept_across_blocks(lengths: list[int]) -> None:
    samples = noise(sum(lengths))
    cascade = Cascade(SECTIONS)
    blocks = [cascade.run(block) for block in np.split(samples, np.cumsum(lengths))]
    np.testing.assert_array_equal(np.concatenate(blocks), Cascade(SECTIONS).run(samples))


def test_input_is_left_as_it_was() -> None:
    samples = noise(100)
    before = samples.copy()
    Cascade(SECTIONS).run(samples)
    np.testing.assert_array_equal(samples, before)


def test_where_scipy_keeps_its_loop_elsewhere_the_public_function_serves(tmp_path: Path) -> None:
    kernel, public = find_kernel(), find_kernel(tmp_path)
    samples, states = [noise(1_000)[np.newaxis] for _ in range(2)], [np.ones((1, 2, 2)) for _ in range(2)]
    for run, block, state in zip((kernel, public), samples, states, strict=True):
        run(SECTIONS, block, state)
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(states[0], states[1])


@pytest.mark.parametrize(
    "order",
    [
        "from sonyc_device.level.sections import find_kernel; find_kernel(); assert 'scipy.signal' not in sys.modules; "
        "import scipy.signal",
        "import scipy.signal; from sonyc_device.level.sections import find_kernel; find_kernel()",
    ],
)
def test_loop_comes_without_scipy_signal_and_stands_beside_it(order: str) -> None:
    check = "scipy.signal.sosfilt([[1.0, 0, 0, 1, 0, 0]], [1.0]); print('ok')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; {order}; {check}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("ok", "")


def test_response_is_that_of_a_sine() -> None:
    rate_hz, frequency_hz = 48_000, 3_000.0
    sine = np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz)
    settled = Cascade(SECTIONS).run(sine)[-16_000:]
    gain = np.abs(response(SECTIONS, np.array([frequency_hz]), rate_hz))[0]
    assert np.sqrt(2 * np.mean(settled**2)) == pytest.approx(gain, rel=1e-9)
