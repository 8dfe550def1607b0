"""A bundle's self-test: its own golden input, and the probabilities it must give on this machine."""

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import from_int16
from sonyc_contract.bundle import GOLDEN, Bundle
from sonyc_contract.errors import BundleError, GoldenMismatchError
from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD, Recogniser
from sonyc_contract.runtime import Runtime

MAX_GOLDEN_BYTES: Final = 8 * 2**20


@dataclass(frozen=True)
class Golden:
    """Input and expected output of the self-test.

    Attributes:
        samples: int16 [n_samples]; no codec is run over them, because MP3 bytes differ between architectures.
        rate_hz: Their rate.
        heads: Names of the bundle's heads.
        probabilities: float64 [n_heads, 8], what each head gives.
        tolerance: Largest difference of a probability that passes.
    """

    samples: NDArray[np.int16]
    rate_hz: int
    heads: tuple[str, ...]
    probabilities: NDArray[np.float64]
    tolerance: float


@dataclass(frozen=True)
class SelfTestReport:
    """The largest difference that the self-test found, and what was allowed."""

    runtime: Runtime
    n_heads: int
    max_difference: float
    tolerance: float


def make_golden(samples: NDArray[np.int16], rate_hz: int, recogniser: Recogniser, *, tolerance: float) -> Golden:
    """Record what a recogniser gives for `samples` with each of its heads."""
    heads = tuple(sorted(recogniser.heads))
    rows = [_score(recogniser, samples, rate_hz, head) for head in heads]
    return Golden(samples, rate_hz, heads, np.stack(rows), tolerance)


def dump_golden(golden: Golden) -> bytes:
    """Write golden data as an `.npz` archive, byte for byte the same for the same data."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        samples=golden.samples,
        rate_hz=np.int64(golden.rate_hz),
        heads=np.array(golden.heads),
        probabilities=golden.probabilities,
        tolerance=np.float64(golden.tolerance),
    )
    return buffer.getvalue()


def load_golden(data: bytes) -> Golden:
    """Read what `dump_golden` wrote; nothing is unpickled, and sizes are bounded before anything is read.

    Raises:
        BundleError: it is not golden data.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_GOLDEN_BYTES:
                raise BundleError(f"{GOLDEN} is over {MAX_GOLDEN_BYTES} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            golden = Golden(
                samples=arrays["samples"],
                rate_hz=int(arrays["rate_hz"]),
                heads=tuple(str(head) for head in arrays["heads"]),
                probabilities=arrays["probabilities"],
                tolerance=float(arrays["tolerance"]),
            )
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, OSError, EOFError, MemoryError) as error:
        raise BundleError(f"{GOLDEN} is not golden data: {error}") from error
    if (
        golden.samples.dtype != np.int16
        or golden.samples.ndim != 1
        or golden.probabilities.shape != (len(golden.heads), N_LABELS)
        or not 0 < golden.tolerance < 1
    ):
        raise BundleError(f"{GOLDEN} has arrays of the wrong shape, type or range")
    return golden


def self_test(bundle: Bundle, *, runtime: Runtime = Runtime.LITERT, n_threads: int = 1) -> SelfTestReport:
    """Run a bundle on its golden input.

    Raises:
        GoldenMismatchError: a probability is off by more than the bundle's tolerance; names head, class and values.
        BundleError: the golden data cannot be used.
        ModelError: the models cannot be loaded.
    """
    golden = load_golden(bundle.members[GOLDEN])
    if set(golden.heads) != set(bundle.manifest.heads):
        raise BundleError(f"{GOLDEN} is for other heads than the bundle has")
    recogniser = bundle.recogniser(runtime=runtime, n_threads=n_threads)
    worst = 0.0
    for head, expected in zip(golden.heads, golden.probabilities, strict=True):
        got = _score(recogniser, golden.samples, golden.rate_hz, head)
        difference = np.abs(got - expected)
        worst = max(worst, float(difference.max()))
        if not worst <= golden.tolerance:
            k = int(difference.argmax())
            raise GoldenMismatchError(
                f"self-test on {runtime}: head-{head} gives {got[k]:.4f} for {LABELS[k]}, expected {expected[k]:.4f} "
                f"within {golden.tolerance:g}"
            )
    return SelfTestReport(runtime, len(golden.heads), worst, golden.tolerance)


def _score(recogniser: Recogniser, samples: NDArray[np.int16], rate_hz: int, head: str) -> NDArray[np.float64]:
    # The level-robust head answers for any level that has no head of its own.
    levels = [level for level in Level if (level.value == head or (head == ANY_HEAD and level not in recogniser.heads))]
    return recogniser.score(from_int16(samples), rate_hz, level=levels[0]).probabilities
