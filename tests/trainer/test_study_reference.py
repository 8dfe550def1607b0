"""docs/study.md names every key of a study, and is what the settings say."""

import re
from pathlib import Path

from sonyc_trainer.study import Study
from sonyc_trainer.study.reference import study_reference, undocumented


def test_something_is_said_of_every_key() -> None:
    assert undocumented() == []


def test_page_is_up_to_date(repository: Path) -> None:
    page = (repository / "docs" / "study.md").read_text()
    assert page == study_reference(), "a key changed: make schemas"


def test_every_key_is_in_it() -> None:
    """By another way than the page is written by: pydantic's own schema."""
    page = study_reference()
    for name, table in Study.model_json_schema()["$defs"].items():
        for key in table.get("properties", {}):
            assert f"| `{key}` |" in page or f".{key}]" in page, f"{name}.{key}"
    for key in Study.model_json_schema()["properties"]:
        assert f"| `{key}` |" in page or re.search(rf"^## `\[{{1,2}}{key}\]{{1,2}}`$", page, re.MULTILINE), key


def test_defaults_limits_and_choices_are_given() -> None:
    page = study_reference()
    assert "| `keep_s` | `2.0` | number ≥ 0.1 and ≤ 60 |" in page
    assert '| `mode` | `"grouped"` | `grouped`, `random`, `folds` | What stays together. `grouped`: Stratified' in page
    assert "| `opus_kbps` | `[16, 32]` | array of integer ≥ 6 and ≤ 256 |" in page
    assert "| `format` | must be given | `sonyc-ust`, " in page
