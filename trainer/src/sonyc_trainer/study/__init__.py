"""The study's TOML: every setting that changes a result, in frozen tables."""

from sonyc_trainer.study.clips import (
    CompressSettings,
    Fill,
    Fraction,
    Levels,
    SplitMode,
    SplitSettings,
    TrimMode,
    TrimSettings,
)
from sonyc_trainer.study.datasets import DatasetFormat, DatasetSettings
from sonyc_trainer.study.loading import load_study
from sonyc_trainer.study.models import (
    AugmentSettings,
    ClassWeights,
    EmbeddingSettings,
    OpenL3Settings,
    PretrainSettings,
    TrainSettings,
)
from sonyc_trainer.study.outcome import CalibrationSettings, CostsSettings, ExportSettings
from sonyc_trainer.study.settings import Study

__all__ = [
    "AugmentSettings",
    "CalibrationSettings",
    "ClassWeights",
    "CompressSettings",
    "CostsSettings",
    "DatasetFormat",
    "DatasetSettings",
    "EmbeddingSettings",
    "ExportSettings",
    "Fill",
    "Fraction",
    "Levels",
    "OpenL3Settings",
    "PretrainSettings",
    "SplitMode",
    "SplitSettings",
    "Study",
    "TrainSettings",
    "TrimMode",
    "TrimSettings",
    "load_study",
]
