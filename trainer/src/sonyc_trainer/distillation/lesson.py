"""What the student learns from, over and over: mixtures, and what the teacher makes of them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.mixtures import N_CLASSES, Mixer
from sonyc_trainer.distillation.view import TeacherView
from sonyc_trainer.learning import Indices

_DRAWN_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Hints:
    """Which channels of the inner layer student and teacher share, and how far they vary in either.

    Attributes:
        kept: int64 [n_channels], of the teacher.
        teacher_std: float32 [n_channels], over windows and positions.
        student_std: float32 [n_channels], of the pruned student.
    """

    kept: Indices
    teacher_std: FloatArray
    student_std: FloatArray


@dataclass(frozen=True)
class Lesson:
    """Mixtures as the student hears them, and what is wanted of it.

    Attributes:
        heard: float16 [n, n_frames, n_mels].
        wanted: float32 [n, n_dimensions], the teacher's view.
        found: float32 [n, 9], the classes that a classifier finds in it.
        hints: float16 [n, height, width, n_channels], what the teacher has in the channels that the student kept of an
            inner layer, standardised; empty where hints count nothing.
        targets: float32 [n, 9], the classes that are in it; zeros where they are not known.
    """

    heard: Any
    wanted: FloatArray
    found: FloatArray
    hints: Any
    targets: FloatArray


def draw_lesson(job: DistillationJob, view: TeacherView, hints: Hints, mixer: Mixer) -> Lesson:
    """Draw all mixtures and let the teacher hear them once."""
    n_all = job.settings.n_mixtures
    frontend = job.spec.frontend
    heard = np.empty((n_all, job.n_frames, frontend.n_mels), np.float16)
    wanted = np.empty((n_all, job.spec.n_dimensions), np.float32)
    targets = np.empty((n_all, N_CLASSES), np.float32)
    shape = view.inner_shape if job.settings.hint_weight else (0, 0)
    inner = np.empty((n_all, *shape, len(hints.kept)), np.float16)
    for start in range(0, n_all, _DRAWN_AT_ONCE):
        mixed = mixer.draw(min(_DRAWN_AT_ONCE, n_all - start))
        part = slice(start, start + len(mixed.heard))
        heard[part], targets[part] = mixed.heard, mixed.targets
        wanted[part], of_inner = view.of_both(mixed.original)
        if inner.size:
            inner[part] = of_inner[..., hints.kept] / hints.teacher_std
    return Lesson(heard, wanted, view.found(wanted), inner, targets)
