"""The stages of a study, one module each; they meet in the files of the study's folder and never import one another.

Each module has `run(folder, context)`, which reads the results of earlier stages and writes its own whole.
"""

from enum import StrEnum


class Stage(StrEnum):
    """The stages of a study, in their order."""

    DATASET = "dataset"
    SELECT = "select"
    TRIM = "trim"
    COMPRESS = "compress"
    PRETRAIN = "pretrain"
    EMBED = "embed"
    TRAIN = "train"
    EVALUATE = "evaluate"
    EXPORT = "export"
    BUNDLE = "bundle"
    SPECTROGRAMS = "spectrograms"
    COSTS = "costs"
    COMPARE = "compare"
    REPORT = "report"
