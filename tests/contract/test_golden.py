"""The self-test: passes on the machine's own runtimes, fails on other figures, and reads golden data without trust."""

import io
import pickle
import resource
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonyc_contract.archive import read_archive, write_archive
from sonyc_contract.audio import to_int16
from sonyc_contract.bundle import GOLDEN, Bundle, read_bundle
from sonyc_contract.errors import BundleError, GoldenMismatchError
from sonyc_contract.golden import (
    MAX_GOLDEN_BYTES,
    MAX_TOLERANCE,
    Golden,
    dump_golden,
    load_golden,
    make_golden,
    self_test,
)
from sonyc_contract.runtime import Runtime

_GOLDEN = Golden(
    samples=np.arange(-100, 100, dtype=np.int16),
    rate_hz=48_000,
    heads=("any", "v5"),
    probabilities=np.linspace(0, 1, 16).reshape(2, 8),
    tolerance=0.02,
)


def _with(bundle: Bundle, golden: bytes) -> Bundle:
    return Bundle(bundle.manifest, {**bundle.members, GOLDEN: golden}, bundle.digest)


def _array(array: NDArray[np.generic], *, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def _replaced(name: str, content: bytes) -> bytes:
    return write_archive({**read_archive(dump_golden(_GOLDEN)), f"{name}.npy": content})


def _refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        load_golden(data)
    assert str(caught.value).startswith(GOLDEN)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_round_trip() -> None:
    golden = load_golden(dump_golden(_GOLDEN))
    np.testing.assert_array_equal(golden.samples, _GOLDEN.samples)
    np.testing.assert_array_equal(golden.probabilities, _GOLDEN.probabilities)
    assert (golden.rate_hz, golden.heads, golden.tolerance) == (48_000, ("any", "v5"), 0.02)
    assert dump_golden(golden) == dump_golden(_GOLDEN)


def test_numpy_opens_it() -> None:
    with np.load(io.BytesIO(dump_golden(_GOLDEN))) as arrays:
        assert sorted(arrays) == ["heads", "probabilities", "rate_hz", "samples", "tolerance"]
        np.testing.assert_array_equal(arrays["samples"], _GOLDEN.samples)


def test_shipped_bundle_passes(default_bundle: Path, runtime: Runtime) -> None:
    report = self_test(read_bundle(default_bundle), runtime=runtime)
    assert report.max_difference <= report.tolerance
    assert report.runtime is runtime
    assert report.n_heads == len(read_bundle(default_bundle).manifest.heads)


def test_made_again_it_is_the_same(default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    recogniser = bundle.recogniser()
    samples = to_int16(np.random.default_rng(0).normal(0, 0.1, 96_000).astype(np.float32))
    golden = make_golden(samples, 48_000, recogniser, tolerance=1e-6)
    assert golden.heads == tuple(sorted(bundle.manifest.heads))
    assert self_test(_with(bundle, dump_golden(golden))).max_difference <= 1e-9


def test_other_figures_fail_and_name_head_and_class(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    golden = load_golden(bundle.members[GOLDEN])
    probabilities = golden.probabilities.copy()
    was = probabilities[-1, 7]
    probabilities[-1, 7] = was - 0.3 if was > 0.5 else was + 0.3
    wrong = _with(bundle, dump_golden(replace(golden, probabilities=probabilities)))
    with pytest.raises(GoldenMismatchError, match=rf"self-test on {runtime}: head-{golden.heads[-1]} gives .* for dog"):
        self_test(wrong, runtime=runtime)


def test_golden_data_of_other_heads(default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    golden = load_golden(bundle.members[GOLDEN])
    fewer = replace(golden, heads=golden.heads[1:], probabilities=golden.probabilities[1:])
    with pytest.raises(BundleError, match="is for other heads than the bundle has"):
        self_test(_with(bundle, dump_golden(fewer)))


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "ran",))

    objects = np.empty(1, object)
    objects[0] = Evil()
    for name in ("samples", "heads", "tolerance"):
        assert _refusal(_replaced(name, _array(objects))).startswith(f"{GOLDEN}: array {name!r} is of type |O, not ")
    _refusal(_replaced("heads", pickle.dumps(Evil())))
    assert not (tmp_path / "ran").exists()


def test_bomb_is_refused_before_it_is_inflated() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", _array(np.zeros(60_000_000, np.int8)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "is compressed" in _refusal(buffer.getvalue())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_header_that_promises_gigabytes() -> None:
    content = _array(np.zeros(10, np.int16)).replace(b"(10,)", b"(9999999999,)"[:13]).replace(b"        \n", b"\n", 1)
    assert "does not fit its" in _refusal(_replaced("samples", content))


def test_too_many_bytes() -> None:
    assert f"at most {MAX_GOLDEN_BYTES} are allowed" in _refusal(bytes(MAX_GOLDEN_BYTES + 1))
    with pytest.raises(BundleError, match="would have"):
        dump_golden(replace(_GOLDEN, samples=np.zeros(MAX_GOLDEN_BYTES, np.int16)))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("samples", np.zeros(10, np.float32), "is of type <f4, not <i2"),
        ("samples", np.zeros(10, ">i2"), "is of type >i2"),
        ("samples", np.zeros((10, 2), np.int16), "has the shape (10, 2), not (20,)"),
        ("samples", np.asfortranarray(np.zeros((10, 2), np.int16)), "one of another form"),
        ("samples", np.zeros(0, np.int16), "does not fit its 0 bytes"),
        ("rate_hz", np.array(0), "rate_hz is 0"),
        ("rate_hz", np.array([48_000]), "has the shape (1,), not ()"),
        ("heads", np.array(["any", "v5"]), "is of type <U3, not"),
        ("heads", np.array([b"any"]), "has the shape (2, 8), not (1, 8)"),
        ("heads", np.array([b"any", b"v\xff"]), "'heads' is not text"),
        ("probabilities", np.zeros((2, 7)), "has the shape (2, 7), not (2, 8)"),
        ("probabilities", np.full((2, 8), np.nan), "a probability is not within 0 and 1"),
        ("probabilities", np.full((2, 8), 1.1), "a probability is not within 0 and 1"),
        ("tolerance", np.array(0.0), "tolerance 0"),
        ("tolerance", np.array(MAX_TOLERANCE * 1.01), "out of range"),
        ("tolerance", np.array(np.nan), "tolerance nan"),
    ],
)
def test_arrays_that_are_wrong(name: str, array: NDArray[np.generic], message: str) -> None:
    assert message in _refusal(_replaced(name, _array(array)))


def test_other_version_of_the_format() -> None:
    content = _array(_GOLDEN.samples, version=(2, 0))
    assert "one of another form" in _refusal(_replaced("samples", content))


def test_arrays_missing_or_unforeseen() -> None:
    members = read_archive(dump_golden(_GOLDEN))
    assert "'more.npy' is missing or does not belong" in _refusal(write_archive({**members, "more.npy": b""}))
    del members["tolerance.npy"]
    assert "'tolerance.npy' is missing" in _refusal(write_archive(members))


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY\x01\x00", bytes(1_000)])
def test_other_bytes(data: bytes) -> None:
    _refusal(data)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_fuzz(data: st.DataObject) -> None:
    members = read_archive(dump_golden(_GOLDEN))
    name = data.draw(st.sampled_from(sorted(members)))
    altered = bytearray(members[name])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(altered)))
        altered[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        golden = load_golden(write_archive({**members, name: bytes(altered)}))
    except BundleError:
        return
    assert golden.probabilities.shape == (len(golden.heads), 8)
