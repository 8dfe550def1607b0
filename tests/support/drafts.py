"""Messages for an outbox, with what the books must know of them."""

from sonyc_device.messaging.books import Span
from sonyc_device.messaging.outbox import LABEL
from sonyc_device.messaging.rows import Draft, Identity

RUN = "ab" * 8
START_S = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


def span(run_s: float = 0.0, duration_s: float = 10.0, *, run: str = RUN, is_dated: bool = True) -> Span:
    """A stretch of audio of a run that began at `START_S`."""
    return Span(run, run_s, START_S + run_s, is_dated, duration_s)


def label_draft(seq: int, session: str, *, n_bytes: int = 0, about: Span | None = None) -> Draft:
    """A label, its payload being its number; its clips follow one another."""
    payload = (b"%d " % seq).ljust(n_bytes)
    return Draft(LABEL, payload, identity=Identity(session, seq), span=about or span(10.0 * (seq - 1)))
