"""What the student learns from, over and over: mixtures, and what the teacher makes of them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.mixtures import N_CLASSES, Mixer
from sonyc_trainer.distillation.view import TeacherView

_DRAWN_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Lesson:
    """Mixtures as the student hears them, and what is wanted of it.

    Attributes:
        heard: float16 [n, n_frames, n_mels].
        wanted: float32 [n, n_dimensions], the teacher's view.
        found: float32 [n, 9], the classes that a classifier finds in it.
        targets: float32 [n, 9], the classes that are in it; zeros where they are not known.
    """

    heard: Any
    wanted: FloatArray
    found: FloatArray
    targets: FloatArray


def draw_lesson(job: DistillationJob, view: TeacherView, mixer: Mixer) -> Lesson:
    """Draw all mixtures and let the teacher hear them once."""
    n_all = job.settings.n_mixtures
    frontend = job.spec.frontend
    heard = np.empty((n_all, job.n_frames, frontend.n_mels), np.float16)
    wanted = np.empty((n_all, job.spec.n_dimensions), np.float32)
    targets = np.empty((n_all, N_CLASSES), np.float32)
    for start in range(0, n_all, _DRAWN_AT_ONCE):
        mixed = mixer.draw(min(_DRAWN_AT_ONCE, n_all - start))
        part = slice(start, start + len(mixed.heard))
        heard[part], wanted[part], targets[part] = mixed.heard, view.of(mixed.original), mixed.targets
    return Lesson(heard, wanted, view.found(wanted), targets)
