"""The errors of the trainer.

TrainerError
├── DatasetError      a dataset that is not in the format it should be in, or lacks files
├── SelectionError    a selection or split that leaves too little to learn from or to measure
├── StageError        a stage that cannot run yet, or whose results are another study's
├── EmbeddingError    an embedding that cannot be had
├── TrainingError     a training that has nothing to learn from, or went astray
├── PlanError         a plan that cannot be made: no audio to measure, or no level that reaches what is wanted
├── AlarmError        false alarms that cannot be counted: no audio to listen to
└── ExportError       exported files that do not load, or do not agree with Keras
"""


class TrainerError(Exception):
    """Root of every error that the trainer raises; its message is one line for a person."""


class DatasetError(TrainerError):
    """A dataset is not in the format it should be in, or lacks files."""


class SelectionError(TrainerError):
    """A selection or split leaves too little to learn from or to measure."""


class StageError(TrainerError):
    """A stage cannot run yet, or its results belong to another study."""


class EmbeddingError(TrainerError):
    """An embedding cannot be had: a missing file, weights that do not fit."""


class TrainingError(TrainerError):
    """A training has nothing to learn from or to stop by, or went astray."""


class ExportError(TrainerError):
    """Exported files do not load on a runtime, or do not agree with Keras."""


class PlanError(TrainerError):
    """A plan cannot be made: no audio to measure, or no level that reaches what is wanted."""


class AlarmError(TrainerError):
    """False alarms cannot be counted: there is no audio to listen to."""
