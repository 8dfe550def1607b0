"""What to try about a microphone that delivers nothing, in which order, and how long to pause before."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEALTHY_AFTER_S: Final = 60.0
"""A microphone that delivered for so long begins at the foot of the ladder when it fails again."""


class Rung(StrEnum):
    """One remedy."""

    REOPEN = "reopen"
    """Open the device again, as the sound system knows it."""
    RESCAN = "rescan"
    """Let the sound system look for devices anew, and open it then."""
    GIVE_UP = "give-up"
    """End, so that whoever started the process starts it again."""


@dataclass(frozen=True)
class Step:
    """A remedy, and for how long to pause before it."""

    rung: Rung
    pause_s: float


@dataclass(frozen=True)
class Patience:
    """How long to wait for what.

    Attributes:
        stalled_after_s: For how long no sample may come before something is tried.
        give_up_after_s: For how long no sample may come in all.
        opening_s: What a device may take in addition before its first sample; measured, 1.6 s through a sound server.
        hung_s: How much later than it should have given up the sound system is taken to hang.
        first_pause_s: The shortest pause.
        max_pause_s: The longest.
    """

    stalled_after_s: float
    give_up_after_s: float
    opening_s: float = 5.0
    hung_s: float = 30.0
    first_pause_s: float = 1.0
    max_pause_s: float = 60.0


class Ladder:
    """Reopens once, then rescans after pauses that double up to a minute, and gives up in the end.

    The pauses, and the time until it gives up, bound how often a broken microphone is tried, and how often a service
    manager restarts the process, whatever the microphone does.
    """

    def __init__(self, patience: Patience) -> None:
        """Take how patient to be."""
        self._patience = patience
        self._n_steps = 0

    @property
    def hung_after_s(self) -> float:
        """After how long without a sample the sound system must hang, because the last step was not taken."""
        return self._patience.give_up_after_s + self._patience.opening_s + self._patience.hung_s

    def allowed_silence_s(self, *, has_delivered: bool) -> float:
        """For how long no sample may come since the last one, or since the device was opened."""
        return self._patience.stalled_after_s + (0.0 if has_delivered else self._patience.opening_s)

    def climb(self, *, delivered_s: float, silent_s: float) -> Step:
        """Choose the next remedy.

        Args:
            delivered_s: For how long samples came since the last remedy.
            silent_s: For how long none has come since.
        """
        left_s = self._patience.give_up_after_s - silent_s
        if left_s <= 0:
            return Step(Rung.GIVE_UP, 0.0)
        if delivered_s >= HEALTHY_AFTER_S:
            self._n_steps = 0
        self._n_steps += 1
        if self._n_steps == 1:
            return Step(Rung.REOPEN, 0.0)
        n_doublings = min(self._n_steps - 2, 16)
        pause_s = self._patience.first_pause_s * 2.0**n_doublings
        return Step(Rung.RESCAN, min(pause_s, self._patience.max_pause_s, left_s))
