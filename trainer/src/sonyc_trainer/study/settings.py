"""A whole study: every setting that changes a result, in one frozen object."""

import json

from pydantic import Field, ValidationError, model_validator

from sonyc_contract.settings import Settings, describe
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.study.clips import CompressSettings, SplitSettings, TrimSettings
from sonyc_trainer.study.comparisons import ComparisonSettings
from sonyc_trainer.study.datasets import DatasetSettings
from sonyc_trainer.study.models import EmbeddingSettings, PretrainSettings, TrainSettings
from sonyc_trainer.study.outcome import CalibrationSettings, CostsSettings, ExportSettings


class Study(Settings):
    """A whole study."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    """What the study is called, in small letters, digits and hyphens; its results lie in `out/NAME` by default."""
    seed: int = Field(default=1, ge=0, le=2**31)
    """Of everything that is drawn: the split, the weights that learning begins with, the bootstrap."""
    labels: LabelMode = LabelMode.SINGLE
    """How many classes a clip has; `--labels` on the command line goes before it."""
    dataset: tuple[DatasetSettings, ...] = Field(min_length=1)
    split: SplitSettings = SplitSettings()
    trim: TrimSettings = TrimSettings()
    compress: CompressSettings = CompressSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    pretrain: PretrainSettings = PretrainSettings()
    train: TrainSettings = TrainSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    costs: CostsSettings = CostsSettings()
    export: ExportSettings = ExportSettings()
    compare: tuple[ComparisonSettings, ...] = ()

    @model_validator(mode="after")
    def _levels_are_compressed(self) -> "Study":
        for table, levels in (("train", self.train.levels), ("pretrain", self.pretrain.levels)):
            if missing := [level for level in levels if level not in self.compress.levels]:
                raise ValueError(f"{table}.levels has {missing[0].value!r}, which compress.levels lacks")
        names = [dataset.name for dataset in self.dataset]
        if len(set(names)) != len(names):
            raise ValueError("two datasets have the same name")
        if all(dataset.only_trains for dataset in self.dataset):
            raise ValueError("every dataset has 'only_trains': leave it out of one, to be judged")
        return self

    @model_validator(mode="after")
    def _variants_are_studies(self) -> "Study":
        names = [comparison.name for comparison in self.compare]
        if len(set(names)) != len(names):
            raise ValueError("two comparisons have the same name")
        for comparison in self.compare:
            try:
                self.variant(comparison)
            except ValidationError as error:
                raise ValueError(f"[[compare]] {comparison.name!r}: {describe(error)}") from error
        return self

    def variant(self, comparison: ComparisonSettings) -> "Study":
        """Give the study that a comparison describes.

        Raises:
            ValidationError: its keys are wrong; not those of a comparison of a study that was read.
        """
        document = comparison.applied(self.model_dump(mode="json", exclude={"compare"}))
        # As strict as the file's own tables: a number is not written as a string there either.
        return Study.model_validate_json(json.dumps(document, default=str), strict=True)
