"""The page of a small study: what it says, that its figures show their CSV files, that it needs nothing beside it."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path

import pytest

from sonyc_contract.files import sha256_hex
from sonyc_trainer.findings import read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.report.material import read_material
from sonyc_trainer.report.page import page, report_sections, write_report
from sonyc_trainer.stages import Stage

FIGURES = (
    *("difference-to-pcm", "macro-f1", "f1-per-class", "confusion", "confusion-others", "pareto", "breakdown"),
    *("training-curves", "spectrogram-dog", "spectrogram-music", "spectrogram-engine"),
)


@pytest.fixture(scope="module")
def text(finished: StudyFolder) -> str:
    return finished.report.read_text()


def numbers_of(folder: StudyFolder, figure: str) -> list[dict[str, str]]:
    with (folder.root / "figures" / f"{figure}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def shown_in(text: str, figure: str) -> list[float]:
    """The exact values that the marks of a figure carry, its legend left out."""
    found = re.search(rf'<figure class="[a-z]+" id="figure-{figure}">(.*?)<figcaption>', text, re.DOTALL)
    assert found is not None, figure
    drawn = re.sub(r'<ul class="legend">.*?</ul>', "", found[1], flags=re.DOTALL)
    return [float(value) for value in re.findall(r'data-value="([^"]+)"', drawn)]


def test_every_figure_has_its_numbers(finished: StudyFolder, text: str) -> None:
    assert {path.stem for path in (finished.root / "figures").iterdir()} == set(FIGURES)
    assert set(re.findall(r'id="figure-([a-z0-9-]+)"', text)) == set(FIGURES)
    for figure in FIGURES:
        assert f"<code>figures/{figure}.csv</code>" in text


@pytest.mark.parametrize(
    ("figure", "column"),
    [
        ("difference-to-pcm", "macro_f1"),
        ("macro-f1", "macro_f1"),
        ("f1-per-class", "f1"),
        ("pareto", "macro_f1"),
    ],
)
def test_figure_shows_its_numbers(finished: StudyFolder, text: str, figure: str, column: str) -> None:
    numbers = [float(row[column]) for row in numbers_of(finished, figure)]
    assert numbers
    assert sorted(shown_in(text, figure)) == pytest.approx(sorted(numbers))


def test_confusion_and_breakdown_show_every_count(finished: StudyFolder, text: str) -> None:
    for figure, left_out in (("confusion", {"trained", "tested", "label"}), ("breakdown", {"label"})):
        rows = numbers_of(finished, figure)
        counts = [float(value) for row in rows for name, value in row.items() if name not in left_out]
        assert shown_in(text, figure) == counts


def test_curves_end_where_their_numbers_end(finished: StudyFolder, text: str) -> None:
    last = {(row["head"], row["clips"]): float(row["loss"]) for row in numbers_of(finished, "training-curves")}
    assert sorted(shown_in(text, "training-curves")) == pytest.approx(sorted(last.values()))


def test_answer_comes_first_and_is_the_verdict(finished: StudyFolder, text: str) -> None:
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert titles[0] == "Answer"
    found = re.search(r'<div class="answer">(.*?)</div>', text, re.DOTALL)
    assert found is not None
    answer = unescape(found[1])
    for line in read_findings(finished).facts.verdict:
        assert line in answer.replace("\N{MINUS SIGN}", "-")


def test_page_needs_nothing_beside_it(text: str) -> None:
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', text)
    assert addresses
    assert not [address for address in addresses if not address.startswith(("#", "data:"))]
    assert not re.search(r"https?:|@import|url\(|<script|<iframe|<object", text)


def test_svg_is_well_formed(text: str) -> None:
    drawings = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(drawings) > 20
    for one in drawings:
        ET.fromstring(one)


def test_every_matrix_cell_has_its_interval(finished: StudyFolder, text: str) -> None:
    for cell in read_findings(finished).cells.values():
        f1 = cell.macro_f1
        assert f"{f1.value:.3f}<small>{f1.low:.2f} to {f1.high:.2f}</small>" in text


def test_counts_of_every_class_and_cell_are_there(finished: StudyFolder, text: str) -> None:
    with (finished.of(Stage.EVALUATE) / "classes.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test" and row["support"] != "0"]
    start = text.index("TP, FP, FN, precision and recall")
    shown = re.sub(r"\s*<[^>]+>\s*", " ", text[start : text.index("</details>", start)])
    shown = re.sub(r" +", " ", shown)
    assert len(rows) == 3 * 3 * 3
    for row in rows:
        ratios = " ".join(f"{float(row[name]):.3f}" for name in ("precision", "recall", "f1"))
        counts = " ".join(row[name] for name in ("label", "tested", "support", "tp", "fp", "fn"))
        assert f"{counts} {ratios}" in shown


def test_figure_of_an_earlier_run_does_not_stay(own_copy: StudyFolder) -> None:
    stale = own_copy.root / "figures" / "spectrogram-music-of-old.csv"
    stale.write_text("left\n")
    write_report(own_copy, bundle=None)
    assert not stale.exists()
    assert {path.stem for path in stale.parent.iterdir()} == set(FIGURES)


def test_dropped_clips_are_named(own_copy: StudyFolder) -> None:
    dropped = own_copy.dropped(Stage.TRIM)
    dropped.write_text("clip_id,rule,detail\ntones/dog/<b>1</b>.wav,unreadable,cut short & empty\n")
    write_report(own_copy, bundle=None)
    text = own_copy.report.read_text()
    assert "1 dropped clips by name" in text
    assert "tones/dog/&lt;b&gt;1&lt;/b&gt;.wav" in text
    assert "cut short &amp; empty" in text
    assert "There is no bundle" in text


def test_same_tables_give_the_same_page(finished: StudyFolder) -> None:
    summary = json.loads(finished.summary.read_text())
    material = read_material(finished)
    written = finished.report.read_text()
    again = page(material, report_sections(material, summary["bundle"]))
    # The stage cannot yet know how long it takes itself.
    assert _without_times(again) == _without_times(written)


def test_run_record_names_versions_digests_and_durations(finished: StudyFolder) -> None:
    record = json.loads(finished.run_record.read_text())
    assert record["seed"] == finished.study.seed
    assert {"sonyc-trainer", "python", "tensorflow", "numpy", "pedalboard"} <= set(record["versions"])
    bundle = str(finished.bundle.relative_to(finished.root))
    assert record["digests"][bundle] == sha256_hex(finished.bundle.read_bytes())
    assert any(name.endswith("predictions.parquet") for name in record["digests"])
    assert set(record["durations_s"]) == {stage.value for stage in Stage if stage is not Stage.REPORT}


def _without_times(text: str) -> str:
    return re.sub(r'<section id="times".*?</section>', "", text, flags=re.DOTALL)


def test_figures_of_the_page_are_those_of_the_folder(finished: StudyFolder, tmp_path: Path) -> None:
    for section in report_sections(read_material(finished), None):
        for figure in section.figures:
            figure.write_csv(tmp_path)
            assert (tmp_path / figure.file).read_bytes() == (finished.root / figure.file).read_bytes()
