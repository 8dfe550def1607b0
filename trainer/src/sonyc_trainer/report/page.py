"""The page: sections put together into one HTML file that needs nothing beside it."""

from collections.abc import Sequence
from typing import Any

from sonyc_contract.files import write_whole
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.report import answers, expenses, origins
from sonyc_trainer.report.background import background
from sonyc_trainer.report.markup import Markup, element, joined
from sonyc_trainer.report.material import Material, read_material
from sonyc_trainer.report.section import Section
from sonyc_trainer.report.style import STYLE
from sonyc_trainer.report.variants import variants

_QUESTION = "How far can this sound be compressed before the recogniser stops recognising?"


def write_report(folder: StudyFolder, *, bundle: dict[str, Any] | None) -> None:
    """Write `report.html` and the numbers of its figures.

    Args:
        folder: The study, whose stages before `report` are finished.
        bundle: File, size and digest; None where there is none.

    Raises:
        StageError: a table of a stage is missing.
    """
    material = read_material(folder)
    sections = report_sections(material, bundle)
    figures = [figure for section in sections for figure in section.figures]
    for figure in figures:
        figure.write_csv(folder.root)
    written = {folder.root / figure.file for figure in figures}
    for stale in {path for figure in written for path in figure.parent.glob("*.csv")} - written:
        stale.unlink()
    write_whole(folder.report, page(material, sections).encode())


def report_sections(material: Material, bundle: dict[str, Any] | None) -> list[Section]:
    """Give the sections in their order."""
    compared = [variants(material)] if material.compared.cells else []
    nothing = [background(material)] if material.findings.background else []
    return [
        answers.answer(material),
        answers.matrix(material),
        *compared,
        expenses.costs(material),
        answers.classes(material),
        *nothing,
        expenses.spectrograms(material),
        origins.clips(material),
        origins.training(material),
        origins.export(material, bundle),
        origins.times(material),
    ]


def page(material: Material, sections: Sequence[Section]) -> str:
    """Give the whole page."""
    study = material.folder.study
    links = Markup(" ".join(element("a", section.title, href=f"#{section.anchor}") for section in sections))
    rate = f"{study.compress.storage_rate_hz / 1e3:g} kHz"
    facts = f"{study.embedding.kind} embedding · storage rate {rate} · levels {', '.join(material.levels)}"
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<link rel="icon" href="data:,">'),
            element("title", f"{study.name}: report"),
            element("style", Markup(STYLE)),
        ]
    )
    header = joined(
        [
            element("h1", study.name),
            element("p", _QUESTION, class_="soft"),
            element("p", element("small", facts)),
            element("nav", links, aria_label="Sections"),
        ]
    )
    main = element("main", joined([element("header", header), *(section.as_html() for section in sections)]))
    return f'<!doctype html>\n<html lang="en">\n{element("head", head)}\n{element("body", main)}\n</html>\n'
