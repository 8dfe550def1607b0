"""A figure: what is drawn, and the numbers that it is drawn from, so that the CSV beside it cannot say otherwise."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sonyc_contract.files import write_whole
from sonyc_trainer.report.markup import Markup, element, html, joined


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: Of its CSV file, without the ending.
        caption: One or two sentences beneath it.
        columns: Headings of the numbers.
        rows: The numbers that `drawing` shows.
        drawing: SVG and legend.
        shape: Class of the element that holds it.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    drawing: Markup
    shape: str = "one"
    folder: str = field(default="figures", kw_only=True)

    @property
    def file(self) -> str:
        """Its CSV file, relative to the report."""
        return f"{self.folder}/{self.name}.csv"

    def as_html(self) -> Markup:
        """Give it with its caption."""
        source = joined([html(f"{self.caption} Numbers: "), element("code", self.file)])
        content = joined([self.drawing, element("figcaption", source)])
        return element("figure", content, class_=self.shape, id=f"figure-{self.name}")

    def write_csv(self, root: Path) -> None:
        """Write its numbers below `root`, where the report lies."""
        path = root / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        write_whole(path, text.getvalue().encode())
