"""Variants of a study: what else is trained and tested on the same clips, to be compared with it."""

from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from sonyc_contract.settings import Settings

BASE: Final = "study"
"""How tables call the study itself, beside its variants."""

KIND: Final = "kind"


class ComparisonSettings(Settings):
    """One variant; keys that a table does not name are as in the study.

    A variant is trained and tested like the study, and stands in its report; it has no bundle.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """What the report and `--model NAME=FILE` call it."""
    optional: bool = False
    """Left out, with a note, where a file of its embedding is not there and cannot be fetched."""
    trim: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[trim]`, such as `{ mode = "whole", keep_s = 5.0 }`."""
    embedding: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[embedding]`. With another `kind`, none of the study's own keys are kept but `hop_s`."""
    pretrain: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[pretrain]`."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[train]`."""

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == BASE:
            raise ValueError(f"{BASE!r} is what the study itself is called")
        return name

    def applied(self, study: dict[str, Any]) -> dict[str, Any]:
        """Give a study's document with this variant's keys in it."""
        tables = {name: _over(study[name], getattr(self, name)) for name in ("trim", "pretrain", "train")}
        own = study["embedding"]
        keeps = own if self.embedding.get(KIND, own[KIND]) == own[KIND] else {"hop_s": own["hop_s"]}
        return study | tables | {"embedding": _over(keeps, self.embedding), "compare": []}


def _over(table: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Lay keys over a table, and those of tables in it over theirs."""
    both = {name: (table.get(name), value) for name, value in keys.items()}
    nested = {name: _over(a, b) for name, (a, b) in both.items() if isinstance(a, dict) and isinstance(b, dict)}
    return table | keys | nested
