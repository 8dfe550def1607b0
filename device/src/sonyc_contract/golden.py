"""A bundle's self-test: its own golden input, and the probabilities it must give on this machine."""

import io
import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.archive import read_archive, write_archive
from sonyc_contract.audio import MAX_RATE_HZ, MIN_RATE_HZ, from_int16
from sonyc_contract.bundle import GOLDEN, Bundle
from sonyc_contract.errors import BundleError, GoldenMismatchError
from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.recognise import Recogniser
from sonyc_contract.runtime import Runtime

MAX_GOLDEN_BYTES: Final = 8 * 2**20
MAX_TOLERANCE: Final = 0.2
"""A self-test that allows more shows nothing: the runtimes differ by some 0.001, machines by less."""

_DTYPES: Final = {
    "samples": "<i2", "rate_hz": "<i8", "heads": r"\|S[1-9][0-9]?", "probabilities": "<f8", "tolerance": "<f8",
}  # fmt: skip
"""The arrays by name, with their type, as NumPy writes it."""

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][a-zA-Z][0-9]*)', 'fortran_order': False, "
    rb"'shape': \(((?:[0-9]{1,9}(?:, ?)?){0,3})\), \} *\n",
    re.DOTALL,
)
"""Version 1.0 of NumPy's format, as `numpy.save` writes it."""


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
    """Record what a recogniser gives for `samples` with each of its heads.

    Args:
        samples: int16 [n_samples]; at most `MAX_GOLDEN_BYTES` of them.
        rate_hz: Their rate.
        recogniser: All heads open.
        tolerance: Largest difference of a probability that is to pass, at most `MAX_TOLERANCE`.
    """
    heads = tuple(sorted(recogniser.heads))
    rows = [recogniser.score_with(head, from_int16(samples), rate_hz).probabilities for head in heads]
    return Golden(samples, rate_hz, heads, np.stack(rows), tolerance)


def dump_golden(golden: Golden) -> bytes:
    """Write golden data as an `.npz` archive, byte for byte the same for the same data.

    Raises:
        BundleError: it is larger than `load_golden` accepts.
    """
    arrays = {
        "samples": golden.samples.astype("<i2"),
        "rate_hz": np.array(golden.rate_hz, "<i8"),
        "heads": np.array([head.encode("ascii") for head in golden.heads]),
        "probabilities": golden.probabilities.astype("<f8"),
        "tolerance": np.array(golden.tolerance, "<f8"),
    }
    data = write_archive({f"{name}.npy": _dump_array(array) for name, array in arrays.items()})
    if len(data) > MAX_GOLDEN_BYTES:
        raise BundleError(f"{GOLDEN} would have {len(data)} bytes; at most {MAX_GOLDEN_BYTES} are allowed")
    return data


def load_golden(data: bytes) -> Golden:
    """Read what `dump_golden` wrote; nothing is unpickled, and nothing larger than `data` is allocated.

    Raises:
        BundleError: it is not golden data; says which array is wrong.
    """
    if len(data) > MAX_GOLDEN_BYTES:
        raise BundleError(f"{GOLDEN} has {len(data)} bytes; at most {MAX_GOLDEN_BYTES} are allowed")
    try:
        members = read_archive(data)
        if wrong := sorted(set(members) ^ {f"{name}.npy" for name in _DTYPES}):
            raise BundleError(f"array {wrong[0]!r} is missing or does not belong there")
        arrays = {name: _parse_array(name, members[f"{name}.npy"], dtype) for name, dtype in _DTYPES.items()}
    except BundleError as error:
        raise BundleError(f"{GOLDEN}: {error}") from error
    return _checked(arrays)


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
    samples = from_int16(golden.samples)
    worst = 0.0
    for head, expected in zip(golden.heads, golden.probabilities, strict=True):
        got = recogniser.score_with(head, samples, golden.rate_hz).probabilities
        difference = np.abs(got - expected)
        k = int(difference.argmax())
        if difference[k] > golden.tolerance:
            raise GoldenMismatchError(
                f"self-test on {runtime}: head-{head} gives {got[k]:.4f} for {LABELS[k]}, expected {expected[k]:.4f} "
                f"within {golden.tolerance:g}"
            )
        worst = max(worst, float(difference[k]))
    return SelfTestReport(runtime, len(golden.heads), worst, golden.tolerance)


def _dump_array(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _parse_array(name: str, data: bytes, wanted: str) -> NDArray[Any]:
    # Not NumPy's reader: it evaluates the header, and allocates what that says before it looks at the rest.
    header = _HEADER.match(data)
    if header is None:
        raise BundleError(f"array {name!r} has a broken header, or one of another form")
    dtype, shape = header[1].decode(), tuple(int(size) for size in header[2].split(b",") if size.strip())
    if not re.fullmatch(wanted, dtype):
        raise BundleError(f"array {name!r} is of type {dtype}, not {wanted}")
    content = data[header.end() :]
    if 0 in shape or math.prod(shape) * np.dtype(dtype).itemsize != len(content):
        raise BundleError(f"array {name!r} of shape {shape} does not fit its {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape)


def _checked(arrays: dict[str, NDArray[Any]]) -> Golden:
    n_heads = arrays["heads"].size
    wanted = {"samples": (arrays["samples"].size,), "rate_hz": (), "heads": (n_heads,),
              "probabilities": (n_heads, N_LABELS), "tolerance": ()}  # fmt: skip
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise BundleError(f"{GOLDEN}: array {name!r} has the shape {arrays[name].shape}, not {shape}")
    probabilities, rate_hz, tolerance = arrays["probabilities"], int(arrays["rate_hz"]), float(arrays["tolerance"])
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise BundleError(f"{GOLDEN}: a probability is not within 0 and 1")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or not 0 < tolerance <= MAX_TOLERANCE:
        raise BundleError(f"{GOLDEN}: rate_hz is {rate_hz} and tolerance {tolerance:g}; one of them is out of range")
    try:
        heads = tuple(head.decode("ascii") for head in arrays["heads"].tolist())
    except ValueError as error:
        raise BundleError(f"{GOLDEN}: array 'heads' is not text: {error}") from error
    return Golden(arrays["samples"], rate_hz, heads, probabilities, tolerance)
