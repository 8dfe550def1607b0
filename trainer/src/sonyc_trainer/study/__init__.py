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
from sonyc_trainer.study.comparisons import ComparisonSettings
from sonyc_trainer.study.datasets import DatasetFormat, DatasetSettings
from sonyc_trainer.study.loading import load_study
from sonyc_trainer.study.models import (
    AugmentSettings,
    ClassWeights,
    DistilSettings,
    EmbeddingSettings,
    MixtureSettings,
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
    "ComparisonSettings",
    "CompressSettings",
    "CostsSettings",
    "DatasetFormat",
    "DatasetSettings",
    "DistilSettings",
    "EmbeddingSettings",
    "ExportSettings",
    "Fill",
    "Fraction",
    "Levels",
    "MixtureSettings",
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
