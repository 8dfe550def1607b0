"""Training of one head: eight sigmoids on embeddings, to be run in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling
from sonyc_trainer.attention import Attention, ClipPooling, attended, n_outputs
from sonyc_trainer.conversion import keras_file, to_float32
from sonyc_trainer.deciding import LabelMode, is_judged, share_right
from sonyc_trainer.embeddings.vectors import ClipVectors, read_vectors
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.head_data import HeadData, Standardiser, fit_standardiser, head_data
from sonyc_trainer.learning import CurveFile, EarlyStopping, Epoch
from sonyc_trainer.study import TrainSettings
from sonyc_trainer.tensorflow_session import tensorflow_session


@dataclass(frozen=True)
class HeadJob:
    """All that the training of one head needs.

    Attributes:
        name: A level, or `any`.
        tables: Tables of embeddings of the levels that it learns from.
        embedding_id: What they must be embeddings of.
        pooling: How windows become one label.
        settings: `[train]`.
        labels: How many classes a clip has.
        seed: Of everything random.
        curve: Where the training curve is written.
        log: Where TensorFlow's own output goes.
    """

    name: str
    tables: dict[Level, Path]
    embedding_id: str
    pooling: ClipPooling
    settings: TrainSettings
    labels: LabelMode
    seed: int
    curve: Path
    log: Path


@dataclass(frozen=True)
class TrainedHead:
    """A head and how it learned.

    Attributes:
        keras: Its `.keras` file; takes raw embeddings, the standardisation is folded in.
        tflite: The same as TFLite, in float32.
        record: Epochs run, the best of them (from 1), training and validation clips, and the accuracy over them at all
            levels of the head; background clips of a single-label study are not among them.
    """

    keras: bytes
    tflite: bytes
    record: dict[str, float]


def train_head(job: HeadJob) -> TrainedHead:
    """Train one head; where it has several levels, each clip is at a random one in every epoch.

    Raises:
        StageError: a table is missing, or is of another embedding.
        TrainingError: there is nothing to learn from or to stop by, or the learning rate is too high.
    """
    levels = [read_vectors(path, embedding_id=job.embedding_id) for path in job.tables.values()]
    training, validation = (_data(levels, split, job.pooling) for split in ("train", "validation"))
    with tensorflow_session(seed=job.seed, log=job.log):
        trainer = _Trainer(job, training, validation)
        n_epochs, best_epoch = trainer.run(CurveFile(job.curve))
        exported = trainer.exported()
        record = {
            "n_epochs": n_epochs,
            "best_epoch": best_epoch,
            "n_train": trainer.n_judged(trainer.training),
            "train_accuracy": trainer.accuracy(trainer.training),
            "n_validation": trainer.n_judged(trainer.validation),
            "validation_accuracy": trainer.accuracy(trainer.validation),
        }
        return TrainedHead(keras_file(exported), to_float32(exported), record)


def build_head(n_dimensions: int, hidden_units: int, pooling: ClipPooling = Pooling.MEAN_EMBEDDING) -> Any:
    """Build the Keras model from an embedding to eight logits, and eight weights where `pooling` is attention.

    To be used within a `tensorflow_session`.
    """
    import tensorflow as tf

    layers = [tf.keras.layers.Dense(hidden_units, activation="relu")] if hidden_units else []
    return tf.keras.Sequential([tf.keras.Input((n_dimensions,)), *layers, tf.keras.layers.Dense(n_outputs(pooling))])


def fold(head: Any, standardiser: Standardiser) -> list[Any]:
    """Give the weights of a head for raw embeddings, from those of a head for standardised ones."""
    kernel, bias, *others = head.get_weights()
    return [*standardiser.folded(kernel, bias), *others]


def _data(levels: Sequence[ClipVectors], split: str, pooling: ClipPooling) -> HeadData:
    chosen = [level.of_split(split) for level in levels]
    if len(chosen[0].clips) == 0:
        raise TrainingError(f"no {split} clips to train heads with: change [split], or add clips")
    return head_data(chosen, pooling)


@dataclass(frozen=True)
class _Tensors:
    """A split's clips, standardised, as TensorFlow constants."""

    data: HeadData
    rows: Any
    mask: Any
    wanted: Any
    weights: Any


class _Trainer:
    """A head for standardised rows, its optimiser, and one compiled epoch."""

    def __init__(self, job: HeadJob, training: HeadData, validation: HeadData) -> None:
        import tensorflow as tf

        self._tf, self._job, settings = tf, job, job.settings
        self._standardiser = fit_standardiser(training)
        self.training, self.validation = self._tensors(training), self._tensors(validation)
        self._rng = np.random.default_rng(job.seed)
        self._head = build_head(training.rows.shape[-1], settings.hidden_units, job.pooling)
        self._optimizer = tf.keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
        self._epoch = tf.function(self._trace_epoch)
        self._logits = tf.function(self._trace_logits, reduce_retracing=True)

    def run(self, curve: CurveFile) -> tuple[int, int]:
        """Train until patience or epochs are over; gives the epochs run and the best one, whose weights are kept."""
        stopping = EarlyStopping(self._job.settings.patience)
        n_levels, n_clips = self.training.data.rows.shape[:2]
        for epoch in range(self._job.settings.epochs):
            order = self._rng.permutation(n_clips).astype(np.int32)
            levels = self._rng.integers(n_levels, size=n_clips).astype(np.int32)
            train_loss = float(self._epoch(order, levels))
            loss = self._loss(self.validation)
            curve.add(Epoch(epoch + 1, train_loss, loss, self.accuracy(self.validation)))
            if stopping.is_over(epoch, loss, self._head.get_weights()):
                break
        self._head.set_weights(stopping.weights)
        return epoch + 1, stopping.best_epoch + 1

    def exported(self) -> Any:
        """Give the head as a model of raw embeddings."""
        settings, pooling = self._job.settings, self._job.pooling
        model = build_head(self.training.data.rows.shape[-1], settings.hidden_units, pooling)
        model.set_weights(fold(self._head, self._standardiser))
        return model

    def accuracy(self, split: _Tensors) -> float:
        """Give the share of clips, over all levels, that are decided right."""
        return share_right(self._all_logits(split), split.data.truth, self._job.labels)

    def n_judged(self, split: _Tensors) -> int:
        """Count the clips that `accuracy` is of."""
        return int(np.count_nonzero(is_judged(split.data.truth, self._job.labels)))

    def _loss(self, split: _Tensors) -> float:
        logits = self._all_logits(split)
        losses = np.logaddexp(0, logits) - split.data.targets * logits
        return float(np.mean(losses.sum(axis=-1) * np.asarray(split.weights)))

    def _all_logits(self, split: _Tensors) -> Any:
        """Pooled logits, float64 [n_levels, n_clips, 8]."""
        return np.stack([np.asarray(self._logits(rows, split.mask), np.float64) for rows in split.rows])

    def _tensors(self, data: HeadData) -> _Tensors:
        arrays = (self._standardiser(data.rows), data.mask, data.targets, self._weights(data))
        return _Tensors(data, *(self._tf.constant(array) for array in arrays))

    def _weights(self, data: HeadData) -> FloatArray:
        return data.weights(self._job.settings.class_weights, self._job.labels)

    def _trace_epoch(self, order: Any, levels: Any) -> Any:
        """Run through all training clips in `order`, each at its level of `levels`; gives the mean loss."""
        tf, size, split = self._tf, self._job.settings.batch_size, self.training
        n_steps = -(-len(split.data.truth) // size)
        total = tf.zeros(())
        for step in tf.range(n_steps):
            clips, at = order[step * size : (step + 1) * size], levels[step * size : (step + 1) * size]
            batch = tf.gather_nd(split.rows, tf.stack([at, clips], axis=1))
            total += self._train_step(
                batch, *(tf.gather(part, clips) for part in (split.mask, split.wanted, split.weights))
            )
        return total / n_steps

    def _train_step(self, batch: Any, mask: Any, wanted: Any, weights: Any) -> Any:
        tf = self._tf
        with tf.GradientTape() as tape:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(wanted, self._trace_logits(batch, mask))
            loss = tf.reduce_mean(weights * tf.reduce_sum(losses, axis=1))
        variables = self._head.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def _trace_logits(self, rows: Any, mask: Any) -> Any:
        """Give pooled logits [n, 8] for rows [n, n_rows, n_dimensions], as `clip_logits` pools them."""
        tf = self._tf
        flat = self._head(tf.reshape(rows, (-1, rows.shape[-1])))
        logits = tf.reshape(flat, (-1, rows.shape[1], flat.shape[-1]))
        there = mask[..., tf.newaxis]
        if isinstance(self._job.pooling, Attention):
            return attended(logits, there)
        if self._job.pooling is Pooling.MAX_LOGIT:
            return tf.reduce_max(tf.where(there > 0, logits, logits.dtype.min), axis=1)
        return tf.reduce_sum(logits * there, axis=1) / tf.reduce_sum(there, axis=1)
