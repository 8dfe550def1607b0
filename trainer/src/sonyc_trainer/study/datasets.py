"""Where a study's clips come from."""

import re
from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from sonyc_contract.labels import LABELS
from sonyc_contract.settings import Settings
from sonyc_trainer.scenes.settings import BackgroundConfig, ScenesConfig


class DatasetFormat(StrEnum):
    """How a dataset lies on the disk."""

    SONYC_UST = "sonyc-ust"
    """`annotations.csv` and the audio below `audio/`, as SONYC-UST V1 and V2.3 are published."""
    URBANSOUND8K = "urbansound8k"
    """`metadata/UrbanSound8K.csv` and `audio/fold1` ... `audio/fold10`."""
    CLASS_FOLDERS = "class-folders"
    """One folder per class, named by it."""
    SCENES = "scenes"
    """Made by the built-in generator, in SONYC-UST's format."""
    BACKGROUND = "background"
    """Made by the built-in generator: noise of many kinds, all of it background. It has no folds."""


class DatasetSettings(Settings):
    """One source of clips."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """What tables and `--data NAME=DIR` call it."""
    format: DatasetFormat
    """How it lies on the disk."""
    path: Path | None = None
    """The dataset's folder; the command line may give it instead, so that a study names no folder of one machine."""
    classes: dict[str, str] = Field(default_factory=dict)
    """From the dataset's own class names to SONYC's. A class that is not named here is none of SONYC's: its clips are
    listed without a label. Empty: UrbanSound8K's usual mapping, or folders named as SONYC's classes."""
    background: tuple[str, ...] = ()
    """The dataset's own classes whose clips hold none of the eight, such as `["air_conditioner"]`. Heads learn from
    them that nothing is there, a detection on one counts against calibration and thresholds, and they have figures of
    their own; accuracy and macro-F1 of a single-label study are of the other clips. A class that is named neither here
    nor in `classes` is left out."""
    only_trains: bool = False
    """Its clips are learned from and never judged: the other datasets are divided as if it were not there, and of it
    are left out the clips of recordings that are in validation or test, and those of test folds."""
    sources: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """Whose identifiers its source recordings have, such as `freesound`: datasets with the same `sources` can hold
    pieces of the same recording. By default the dataset's own name, and `freesound` for UrbanSound8K."""
    clips: Path | None = None
    """A list of the clips that are taken, for the same clips on every machine: a name per line, such as
    `fold1/101415-3-0-2` or `dog/1-100032-A` (folder and file's name without its ending, which may be another one than
    where the list was made); empty lines and those that begin with `#` do not count. Clips of the list that are missing
    are an error. Only where a list is given is a copy of UrbanSound8K read with further clips in
    `metadata/UrbanSound8K-extra.csv` and `extra/fold1` ... `extra/fold10`; names are looked up in both."""
    file_pattern: str | None = None
    """Regular expression that is searched in a file's name, with the groups `source` and `fold` (each optional)."""
    scenes: ScenesConfig | None = None
    """What the generator makes, in format `scenes`."""
    made: BackgroundConfig | None = None
    """What the generator makes, in format `background`."""

    @property
    def is_made(self) -> bool:
        """Whether the generator makes it, so that it has no folder of its own."""
        return self.format in (DatasetFormat.SCENES, DatasetFormat.BACKGROUND)

    @model_validator(mode="after")
    def _fits_format(self) -> "DatasetSettings":
        if unknown := sorted(set(self.classes.values()) - set(LABELS)):
            raise ValueError(f"class {unknown[0]!r} is none of SONYC's: {', '.join(LABELS)}")
        if (self.scenes is not None) != (self.format is DatasetFormat.SCENES):
            raise ValueError("the table 'scenes' belongs to format 'scenes', and only to it")
        if (self.made is not None) != (self.format is DatasetFormat.BACKGROUND):
            raise ValueError("the table 'made' belongs to format 'background', and only to it")
        if self.format is DatasetFormat.BACKGROUND and (self.path or self.sources):
            raise ValueError("format 'background' is made: it has no 'path' and no 'sources'")
        if self.file_pattern is not None and self.format is not DatasetFormat.CLASS_FOLDERS:
            raise ValueError("'file_pattern' belongs to format 'class-folders'")
        for key in ("classes", "background", "clips"):
            if getattr(self, key) and self.format not in (DatasetFormat.URBANSOUND8K, DatasetFormat.CLASS_FOLDERS):
                raise ValueError(f"'{key}' belongs to formats 'urbansound8k' and 'class-folders'")
        if both := sorted(set(self.background) & set(self.classes)):
            raise ValueError(f"class {both[0]!r} is in 'classes' and in 'background': it can be one of them")
        return self

    @field_validator("file_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if not groups or groups - {"source", "fold"}:
            raise ValueError("needs the named groups (?P<source>...) or (?P<fold>...), and no others")
        return pattern
