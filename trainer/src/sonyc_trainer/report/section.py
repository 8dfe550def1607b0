"""A section of the report: text, tables and figures under one heading."""

from collections.abc import Sequence
from dataclasses import dataclass

from sonyc_trainer.report.figure import Figure
from sonyc_trainer.report.markup import Markup, element, joined


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        anchor: What links within the page call it.
        title: Its heading.
        parts: What stands in it, in order.
    """

    anchor: str
    title: str
    parts: Sequence[Markup | Figure]

    @property
    def figures(self) -> list[Figure]:
        """Its figures."""
        return [part for part in self.parts if isinstance(part, Figure)]

    def as_html(self) -> Markup:
        """Give it with its heading."""
        content = [part.as_html() if isinstance(part, Figure) else part for part in self.parts]
        heading = element("h2", self.title, id=f"{self.anchor}-title")
        return element("section", joined([heading, *content]), id=self.anchor, aria_labelledby=f"{self.anchor}-title")
