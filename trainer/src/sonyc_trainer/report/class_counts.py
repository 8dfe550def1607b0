"""What each head decides right and wrong at every level, class by class."""

from sonyc_contract.labels import LABELS
from sonyc_trainer.report.markup import Markup, details, element, joined, number, table
from sonyc_trainer.report.material import Material, first_seed, head_title
from sonyc_trainer.stages import Stage

_HEADINGS = ("class", "tested", "clips", "TP", "FP", "FN", "precision", "recall", "F1")
_CAPTION = "Of {split} clips{seed}. Numbers: "


def class_counts(material: Material) -> Markup:
    """Show hits, misses, precision and recall of every trained and tested level, a table per head."""
    file = f"{material.folder.of(Stage.EVALUATE).name}/classes.csv"
    caption = _CAPTION.format(split=material.findings.facts.split, seed=first_seed(material))
    parts = [element("p", Markup(f"{caption}{element('code', file)}"), class_="caption")]
    parts += [_of_head(material, head) for head in material.heads]
    return details("TP, FP, FN, precision and recall of each class, a table per head", joined(parts))


def _of_head(material: Material, head: str) -> Markup:
    found = {(row["label"], row["tested"]): row for row in material.classes if row["trained"] == head}
    rows = []
    for label in LABELS:
        for level in material.levels:
            row = found[label, level]
            if int(row["support"]) + int(row["fp"]):
                ratios = (number(float(row[name])) for name in ("precision", "recall", "f1"))
                rows.append((label, level, row["support"], row["tp"], row["fp"], row["fn"], *ratios))
    return table(_HEADINGS, rows, n_text=2, caption=f"Head {head_title(head)}")
