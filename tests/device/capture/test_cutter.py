"""The cutter: clips joined are the input, whatever the blocks were."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonyc_device.capture.clips import Clip
from sonyc_device.capture.cutter import Cutter
from sonyc_device.capture.source import Block, End, Gap, GapCause

CLIP, MIN = 50, 8

Item = Block | Gap | End


@st.composite
def streams(draw: st.DrawFn) -> list[Item]:
    """Blocks and gaps with one counter, and the end."""
    items: list[Item] = []
    n = 0
    for is_gap, length in draw(st.lists(st.tuples(st.booleans(), st.integers(1, 130)), max_size=30)):
        if is_gap:
            items.append(Gap(n, length, GapCause.RING_FULL))
        else:
            items.append(Block(n, np.arange(n, n + length).astype(np.int16)))
        n += length
    return [*items, End()]


def cut(items: list[Item]) -> list[Clip | Gap]:
    cutter = Cutter(clip_samples=CLIP, min_samples=MIN)
    return [piece for item in items for piece in cutter.push(item)]


@given(streams())
def test_every_index_goes_out_once_in_order(items: list[Item]) -> None:
    n = 0
    for piece in cut(items):
        assert piece.start_sample == n
        if isinstance(piece, Clip):
            np.testing.assert_array_equal(piece.samples, np.arange(n, n + len(piece.samples)).astype(np.int16))
            n += len(piece.samples)
        else:
            n += piece.n_samples
    assert n == sum(len(item.samples) for item in items if isinstance(item, Block)) + sum(
        item.n_samples for item in items if isinstance(item, Gap)
    )


@given(streams())
def test_only_the_clip_before_a_gap_or_the_end_is_short(items: list[Item]) -> None:
    pieces = cut(items)
    for piece, follower in zip(pieces, [*pieces, None][1:], strict=True):
        if isinstance(piece, Clip) and len(piece.samples) != CLIP:
            assert len(piece.samples) < CLIP
            assert follower is None or (isinstance(follower, Gap) and len(piece.samples) >= MIN)


@given(streams())
def test_no_fragment_is_labelled_between_gaps(items: list[Item]) -> None:
    fragments = [piece for piece in cut(items) if isinstance(piece, Gap) and piece.cause is GapCause.FRAGMENT]
    assert all(fragment.n_samples < MIN for fragment in fragments)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_without_gaps_the_clips_do_not_depend_on_the_blocks(lengths: list[int]) -> None:
    starts = np.cumsum([0, *lengths[:-1]])
    blocks = [Block(int(a), np.arange(a, a + n).astype(np.int16)) for a, n in zip(starts, lengths, strict=True)]
    total = sum(lengths)
    whole = [Block(0, np.arange(total).astype(np.int16))]
    many, one = cut([*blocks, End()]), cut([*whole, End()])
    assert [piece.start_sample for piece in many] == [piece.start_sample for piece in one]
    assert len(one) == -(-total // CLIP)


def test_a_single_last_sample_is_a_clip() -> None:
    (clip,) = cut([Block(0, np.ones(1, np.int16)), End()])
    assert isinstance(clip, Clip)
