"""The ring: every sample that is written comes out once, in order, or is named in a gap."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import Block, End, Gap, GapCause
from sonyc_device.errors import CaptureError, CaptureStalledError
from support.processes import wait_until


def ramp(start: int, n: int) -> np.ndarray:
    """Samples that tell their own index, modulo 2^15."""
    return (np.arange(start, start + n) % 2**15).astype(np.int16)


def read_to_end(ring: Ring, n_samples: int) -> list[Block | Gap]:
    items: list[Block | Gap] = []
    while not isinstance(item := ring.read(n_samples), End):
        items.append(item)
    return items


@given(
    capacity=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from(["write", "read", "skip"]), st.integers(1, 30)), max_size=60),
    n_read=st.integers(1, 50),
)
def test_every_index_comes_out_once_as_sample_or_gap(capacity: int, steps: list[tuple[str, int]], n_read: int) -> None:
    ring = Ring(capacity)
    items: list[Block | Gap] = []
    n_total = n_waiting = 0
    for step, n in steps:
        if step == "write":
            ring.write(ramp(n_total, n))
            n_waiting += min(n, capacity - n_waiting)
            n_total += n
        elif step == "skip":
            ring.skip(n, GapCause.DEVICE_OVERFLOW)
            n_total += n
        elif n_waiting >= min(n_read, capacity):
            item = ring.read(n_read)
            assert not isinstance(item, End)
            items.append(item)
            n_waiting -= len(item.samples) if isinstance(item, Block) else 0
    ring.end()
    items += read_to_end(ring, n_read)

    n_expected = 0
    for item in items:
        assert item.start_sample == n_expected
        if isinstance(item, Block):
            np.testing.assert_array_equal(item.samples, ramp(n_expected, len(item.samples)))
            n_expected += len(item.samples)
        else:
            n_expected += item.n_samples
    assert n_expected == n_total


def test_what_does_not_fit_becomes_a_gap_of_exact_length() -> None:
    ring = Ring(100)
    ring.write(ramp(0, 70))
    ring.write(ramp(70, 70))
    ring.write(ramp(140, 10))
    assert np.array_equal(_block(ring.read(60)).samples, ramp(0, 60))
    ring.write(ramp(150, 10))
    assert np.array_equal(_block(ring.read(60)).samples, ramp(60, 40))
    assert ring.read(60) == Gap(100, 50, GapCause.RING_FULL)
    ring.end()
    assert _block(ring.read(60)).start_sample == 150


def test_reader_waits_for_the_whole_block() -> None:
    ring = Ring(1000)
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.append(ring.read(100)))
    reader.start()
    for start in range(0, 90, 10):
        ring.write(ramp(start, 10))
    reader.join(0.05)
    assert reader.is_alive()
    ring.write(ramp(90, 10))
    reader.join(10)
    assert np.array_equal(_block(got[0]).samples, ramp(0, 100))


def test_a_waiting_writer_loses_nothing() -> None:
    ring = Ring(64, waits_when_full=True)

    def write() -> None:
        for start in range(0, 10_000, 100):
            ring.write(ramp(start, 100))
        ring.end()

    writer = threading.Thread(target=write)
    writer.start()
    items = read_to_end(ring, 50)
    writer.join(10)
    assert all(isinstance(item, Block) for item in items)
    np.testing.assert_array_equal(np.concatenate([_block(item).samples for item in items]), ramp(0, 10_000))


def test_the_end_lets_a_waiting_writer_go() -> None:
    ring = Ring(10, waits_when_full=True)
    writer = threading.Thread(target=ring.write, args=(ramp(0, 100),))
    writer.start()
    wait_until(lambda: ring.arrival.n_samples == 10, what="the ring to be full")
    ring.end()
    writer.join(10)
    assert not writer.is_alive()


def test_the_error_of_the_source_reaches_the_reader_after_its_samples() -> None:
    ring, error = Ring(10), CaptureError("gone")
    ring.write(ramp(0, 3))
    ring.end(error)
    ring.end()
    ring.write(ramp(3, 3))
    assert len(_block(ring.read(10)).samples) == 3
    assert ring.read(10) == End(error)


def test_silence_of_the_device_is_an_error() -> None:
    ring = Ring(10, stalled_after_s=0.05)
    ring.write(ramp(0, 3))
    assert len(_block(ring.read(10)).samples) == 3
    with pytest.raises(CaptureStalledError, match=r"no sample has come for 0\.05 s"):
        ring.read(10)


def test_arrival_says_when_the_newest_sample_came() -> None:
    now_s = 5.0
    ring = Ring(10, monotonic=lambda: now_s)
    ring.skip(7, GapCause.DEVICE_OVERFLOW)
    now_s = 6.5
    ring.write(ramp(0, 3))
    assert (ring.arrival.n_samples, ring.arrival.monotonic_s) == (10, 6.5)


def _block(item: object) -> Block:
    assert isinstance(item, Block)
    return item
