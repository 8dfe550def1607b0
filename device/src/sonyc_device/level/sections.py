"""Cascades of second-order sections that run over a stream: their state is kept from block to block."""

import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

_KERNEL: Final = "scipy.signal._sosfilt"

Kernel = Callable[[Float64Array, Float64Array, Float64Array], Any]
"""Filters float64 [n_signals, n_samples] in place by [n_sections, 6], with states [n_signals, n_sections, 2]."""


class Cascade:
    """Second-order sections in series, at rest when made."""

    def __init__(self, sections: Float64Array) -> None:
        """Take float64 [n_sections, 6]: b0, b1, b2, 1, a1, a2 of each."""
        self._sections = np.ascontiguousarray(sections, np.float64)
        self._state = np.zeros((1, len(sections), 2))
        self._kernel = find_kernel()

    def run(self, samples: Float64Array) -> Float64Array:
        """Filter float64 [n], the samples that follow those of the last call, into float64 [n]."""
        filtered: Float64Array = np.array(samples, np.float64)[np.newaxis]
        if filtered.size:
            self._kernel(self._sections, filtered, self._state)
        return np.asarray(filtered[0])


def response(sections: Float64Array, frequencies_hz: Float64Array, rate_hz: float) -> NDArray[np.complex128]:
    """Give the frequency response of sections.

    Args:
        sections: float64 [n_sections, 6].
        frequencies_hz: float64 [n].
        rate_hz: Rate that the sections run at.

    Returns:
        complex128 [n].
    """
    z = np.exp(-2j * np.pi * np.asarray(frequencies_hz, np.float64) / rate_hz)
    powers = np.stack([np.ones_like(z), z, z * z])
    return np.asarray(np.prod((sections[:, :3] @ powers) / (sections[:, 3:] @ powers), axis=0))


@cache
def find_kernel(folder: Path | None = None) -> Kernel:
    """Give the compiled loop of `scipy.signal.sosfilt` alone: 0.1 MB, while all of scipy.signal costs 55 MB.

    Where SciPy does not keep it in the place it had from 1.11 to 1.17, the public function serves, at its price.

    Args:
        folder: Where to look; by default the folder of the SciPy that is installed.
    """
    module = sys.modules.get(_KERNEL) if folder is None else None
    if module is None:
        spec = PathFinder.find_spec(_KERNEL, [str(folder or _signal_folder())])
        if spec is None or spec.loader is None:
            return _public_function()
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules.setdefault(_KERNEL, module)  # it cannot be loaded twice: a later scipy.signal takes this one
    kernel: Kernel = module._sosfilt
    return kernel


def _signal_folder() -> Path:
    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        raise ImportError("SciPy is not installed")
    return Path(spec.origin).parent / "signal"


def _public_function() -> Kernel:
    from scipy.signal import sosfilt

    def run(sections: Float64Array, samples: Float64Array, state: Float64Array) -> None:
        samples[:], after = sosfilt(sections, samples, zi=state.transpose(1, 0, 2))
        state[:] = after.transpose(1, 0, 2)

    return run
