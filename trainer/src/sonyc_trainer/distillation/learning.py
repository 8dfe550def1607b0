"""The distillation, in a process of its own: prune the teacher, let it hear mixtures, and learn what it makes of them.

What the student is to give is the teacher's embedding, standardised and seen in fewer dimensions through a random
rotation, which keeps distances (Johnson and Lindenstrauss 1984): a classifier finds the same classes on either side.
Two more losses tell it what matters: the classes that a logistic regression on the teacher's embedding finds in the
mixture, and the classes that are in it. At last the dense layer on top is fitted anew, to the teacher's view alone, on
the clips as they are.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.levels import Level
from sonyc_trainer.conversion import keras_file, to_int8
from sonyc_trainer.distillation.equalising import equalised
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.last_layer import with_last_layer_refitted
from sonyc_trainer.distillation.lesson import Lesson, draw_lesson
from sonyc_trainer.distillation.mixtures import N_CLASSES, NONE, UNKNOWN, Mixed, Mixer, Sounds, heard_frames
from sonyc_trainer.distillation.network import build_network, forward, outputs_of, with_dense
from sonyc_trainer.distillation.pruning import kept_counts, pruned, ridge
from sonyc_trainer.distillation.rounding import rounded
from sonyc_trainer.distillation.view import TeacherView, cut
from sonyc_trainer.embeddings.compact_frames import ClipFrames
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.learning import CurveFile, Epoch, Indices
from sonyc_trainer.tensorflow_session import tensorflow_session

_N_FOR_PRUNING: Final = 1_200
_N_REPRESENTATIVE: Final = 1_000
_N_FOR_RANGES: Final = 512
_WARM_UP_STEPS: Final = 200


def distil(job: DistillationJob) -> Embedding:
    """Make the student, and quantise it.

    Raises:
        TrainingError: too few clips or classes, or the training went astray.
    """
    with tensorflow_session(seed=job.seed, log=job.log):
        sounds, is_training = read_sounds(job.frames, job.sounds, floor=job.spec.frontend.floor)
        rng = np.random.default_rng(job.seed)
        mixer = Mixer(sounds, job.settings.mixtures, n_frames=job.n_frames, floor=job.spec.frontend.floor, rng=rng)
        view = TeacherView(job, sounds, is_training)
        student = _student(job, view, mixer.draw(_N_FOR_PRUNING))
        curve = CurveFile(job.curve)
        for number in range(job.settings.rounds):
            lesson = draw_lesson(job, view, mixer)
            learner = _Learner(job, view, student, first_epoch=1 + number * job.settings.epochs)
            learner.learn(lesson, sounds, np.flatnonzero(~is_training), curve)
        student = with_last_layer_refitted(student, view, sounds, is_training)
        representative = lesson.heard[:_N_REPRESENTATIVE].astype(np.float32)[..., np.newaxis]
        ranging = representative[:_N_FOR_RANGES]
        student = equalised(student, ranging)
        return Embedding(job.spec, to_int8(rounded(student, ranging), representative), keras_file(student))


def read_sounds(
    frames: Mapping[Level, list[Path]], others: Mapping[Level, list[Path]], *, floor: float
) -> tuple[Sounds, Any]:
    """Read all frames into memory; shorter clips are followed by silence.

    Args:
        frames: Of the study's clips, by level.
        others: Of recordings without known classes, by the same levels or none; they are all for training.
        floor: What the front end adds to magnitudes.

    Returns:
        The sounds, and which of them are for training, bool [n_clips]; only their labels are known to the training.
    """
    of_levels = [ClipFrames([*folders, *others.get(level, [])]) for level, folders in frames.items()]
    n_known = len(ClipFrames(next(iter(frames.values()))).n_frames)
    first = of_levels[0]
    n_frames = int(first.n_frames.max())
    silence = np.float16(np.log(floor))
    n_mels = first.window(0, 0, 1).shape[1]
    array = np.full((len(of_levels), len(first.n_frames), n_frames, n_mels), silence, np.float16)
    for level, clips in zip(array, of_levels, strict=True):
        for clip, n in enumerate(clips.n_frames):
            level[clip, :n] = clips.window(clip, 0, int(n))
    classes = np.where(first.truth.any(axis=1), first.truth.argmax(axis=1), NONE)
    classes[n_known:] = UNKNOWN
    is_labelled = first.is_training & (first.truth.sum(axis=1) <= 1) & (classes != UNKNOWN)
    return Sounds(array, classes, heard_frames(array[0], floor=floor), is_labelled), first.is_training


class _Learner:
    """The student in one round, eight classes and none on top of it, and one compiled step."""

    def __init__(self, job: DistillationJob, view: TeacherView, student: Any, *, first_epoch: int) -> None:
        import tensorflow as tf

        self._tf, self._job, self._view, self._student = tf, job, view, student
        self._first_epoch = first_epoch
        settings = job.settings
        self._head = tf.keras.Sequential([tf.keras.layers.Dense(N_CLASSES)])
        self._head.build((None, job.spec.n_dimensions))
        self._head.set_weights([view.kernel, view.bias])
        self._variables = student.trainable_variables + self._head.trainable_variables
        n_steps = settings.epochs * -(-settings.n_mixtures // settings.batch_size)
        n_warm_up = min(_WARM_UP_STEPS, max(1, n_steps // 10))
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0, max(1, n_steps - n_warm_up), warmup_target=settings.learning_rate, warmup_steps=n_warm_up
        )
        self._optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
        self._step = tf.function(self._trace_step, reduce_retracing=True)
        self._infer = tf.function(lambda batch: student(batch, training=False), reduce_retracing=True)

    def learn(self, lesson: Lesson, sounds: Sounds, validation: Indices, curve: CurveFile) -> None:
        """Go through the lesson as often as the settings say."""
        rng = np.random.default_rng((self._job.seed, self._first_epoch))
        for epoch in range(self._first_epoch, self._first_epoch + self._job.settings.epochs):
            losses = [float(self._step(*batch)) for batch in self._batches(lesson, rng)]
            if not np.isfinite(losses).all():
                raise TrainingError(f"the loss of epoch {epoch} is {losses[-1]}: lower learning_rate")
            curve.add(Epoch(epoch, float(np.mean(losses)), *self._validate(sounds, validation)))

    def _batches(self, lesson: Lesson, rng: np.random.Generator) -> Iterator[tuple[FloatArray, ...]]:
        order = rng.permutation(len(lesson.wanted))
        for start in range(0, len(order), self._job.settings.batch_size):
            part = order[start : start + self._job.settings.batch_size]
            heard = lesson.heard[part].astype(np.float32)[..., np.newaxis]
            yield heard, lesson.wanted[part], lesson.found[part], lesson.targets[part]

    def _trace_step(self, heard: Any, wanted: Any, found: Any, targets: Any) -> Any:
        tf, settings = self._tf, self._job.settings
        with tf.GradientTape() as tape:
            given = forward(self._student, heard)
            logits = self._head(given)
            cosine = tf.reduce_sum(tf.nn.l2_normalize(given, 1) * tf.nn.l2_normalize(wanted, 1), axis=1)
            of_view = settings.view_weight * tf.reduce_mean((given - wanted) ** 2, axis=1) + 1 - cosine
            of_found = tf.nn.softmax_cross_entropy_with_logits(found, logits)
            # Zeros instead of targets cost nothing.
            of_targets = -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1)
            loss = tf.reduce_mean(of_view + settings.found_weight * of_found + settings.label_weight * of_targets)
        self._optimizer.apply_gradients(zip(tape.gradient(loss, self._variables), self._variables, strict=True))
        return loss

    def _validate(self, sounds: Sounds, clips: Indices) -> tuple[float, float]:
        """Give the share of the teacher's variance that is missed, and how many clips' classes are found."""
        if not len(clips):
            return float("nan"), float("nan")
        n_frames = self._job.n_frames
        cuts = [cut(sounds.frames[0][clips], start, n_frames) for start in self._view.starts]
        given = [outputs_of(self._infer, cut) for cut in cuts]
        found, wanted = np.stack(given, axis=1), self._view.of_clips[clips]
        missed = ((found - wanted) ** 2).mean() / ((wanted - wanted.mean(axis=(0, 1))) ** 2).mean()
        logits = np.asarray(self._head(found.mean(axis=1)))
        return float(missed), float((logits.argmax(axis=1) == sounds.classes[clips]).mean())


def _student(job: DistillationJob, view: TeacherView, mixed: Mixed) -> Any:
    """Prune the teacher, and fit a dense layer on top to its view."""
    import tensorflow as tf

    settings = job.settings
    counts = kept_counts(job.teacher, width=settings.width, n_last=settings.n_last)
    windows = mixed.original[..., np.newaxis]
    layers = pruned(job.teacher, counts, windows, seed=job.seed)
    network = build_network(layers, (windows.shape[1], windows.shape[2], 1))
    kernel, bias = ridge(outputs_of(tf.function(network), mixed.original), view.of(mixed.original))
    return with_dense(network, kernel, bias, name=job.spec.name)
