"""What the heads detect where none of the eight classes is: shares of background clips with a detection."""

from collections.abc import Sequence

from sonyc_contract.labels import LABELS
from sonyc_trainer.findings import ANY_CLASS, BackgroundFinding
from sonyc_trainer.report.markup import Markup, details, element, joined, number, table, with_interval
from sonyc_trainer.report.material import Material, head_title
from sonyc_trainer.report.section import Section
from sonyc_trainer.stages import Stage

_INTRO = (
    "Clips that hold none of the eight classes, and the share of them in which a node would detect one, at the "
    "thresholds in the bundle. A made or a borrowed background is not yours: set the thresholds on the site's own "
    "before anything is counted."
)


def background(material: Material) -> Section:
    """Show the share of background clips with a detection, by dataset, head and tested level, then by class."""
    parts = [element("p", _INTRO)]
    of_datasets: dict[str, list[BackgroundFinding]] = {}
    for one in material.findings.reported_background():
        of_datasets.setdefault(one.dataset, []).append(one)
    for found in of_datasets.values():
        parts += [_any_table(material, found), _class_tables(material, found)]
    file = f"{material.folder.of(Stage.EVALUATE).name}/background.csv"
    seeds = "With the heads of the first seed. " if material.findings.facts.n_seeds > 1 else ""
    parts.append(element("p", Markup(f"{seeds}Numbers: {element('code', file)}"), class_="caption"))
    return Section("background", "None of these", parts)


def _any_table(material: Material, found: Sequence[BackgroundFinding]) -> Markup:
    cells = {(one.trained, one.tested): one for one in found if one.label == ANY_CLASS}
    rows = []
    for head in material.heads:
        shares = [cells[head, level].share for level in material.levels]
        rows.append([head_title(head), *(with_interval(share.value, share.low, share.high) for share in shares)])
    first = found[0]
    chose = ", on which the thresholds were chosen" if first.split == "validation" else ""
    caption = (
        f"{first.dataset}: share of {first.n_clips} {first.split} clips of {first.n_groups} recordings with any "
        f"detection{chose}; 95 % intervals (Wilson) take clips as independent"
    )
    return table(["trained \\ tested", *material.levels], rows, caption=caption)


def _class_tables(material: Material, found: Sequence[BackgroundFinding]) -> Markup:
    cells = {(one.trained, one.tested, one.label): one for one in found}
    parts = []
    for head in material.heads:
        rows = []
        for label in LABELS:
            counted = [cells[head, level, label] for level in material.levels]
            if any(one.n_detected for one in counted):
                rows.append([label, *(number(one.share.value) for one in counted)])
        if rows:
            parts.append(table(["class", *material.levels], rows, caption=f"Head {head_title(head)}"))
    if not parts:
        return element("p", f"{found[0].dataset}: no detection of any class.")
    return details(
        f"{found[0].dataset}: share of clips with a detection of each class, a table per head", joined(parts)
    )
