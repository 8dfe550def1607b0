"""The ladder of remedies: their order, their pauses, and that nothing can make it hurry."""

from hypothesis import given
from hypothesis import strategies as st

from sonyc_device.capture.ladder import HEALTHY_AFTER_S, Ladder, Patience, Rung, Step


def test_row_12_reopen_then_rescan_with_growing_pauses_then_give_up() -> None:
    ladder, silent_s = Ladder(Patience(5.0, 300.0)), 5.0
    steps: list[Step] = []
    while not steps or steps[-1].rung is not Rung.GIVE_UP:
        steps.append(ladder.climb(delivered_s=0.0, silent_s=silent_s))
        silent_s += steps[-1].pause_s + 5.0
    assert [(step.rung, step.pause_s) for step in steps] == [
        (Rung.REOPEN, 0.0),
        *((Rung.RESCAN, pause_s) for pause_s in (1, 2, 4, 8, 16, 32, 60, 60, 60, 2)),
        (Rung.GIVE_UP, 0.0),
    ]


def test_row_12_last_pause_ends_when_it_is_time_to_give_up() -> None:
    ladder = Ladder(Patience(5.0, 6.0))
    assert ladder.climb(delivered_s=0.0, silent_s=5.0).rung is Rung.REOPEN
    assert ladder.climb(delivered_s=0.0, silent_s=5.5).pause_s == 0.5


def test_microphone_that_was_healthy_begins_at_the_foot() -> None:
    ladder = Ladder(Patience(5.0, 300.0))
    rungs = [ladder.climb(delivered_s=0.0, silent_s=5.0).rung for _ in range(3)]
    rungs.append(ladder.climb(delivered_s=HEALTHY_AFTER_S, silent_s=5.0).rung)
    assert rungs == [Rung.REOPEN, Rung.RESCAN, Rung.RESCAN, Rung.REOPEN]


@given(st.lists(st.floats(0.0, HEALTHY_AFTER_S, exclude_max=True), min_size=100, max_size=200))
def test_row_12_flapping_microphone_is_tried_once_a_minute_at_most(delivered_s: list[float]) -> None:
    ladder = Ladder(Patience(1.0, 3600.0))
    pauses = [ladder.climb(delivered_s=one, silent_s=1.0).pause_s for one in delivered_s]
    assert pauses[0] == 0.0
    assert all(pause_s == 60.0 for pause_s in pauses[8:])
