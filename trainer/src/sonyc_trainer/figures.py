"""The figures of a report, as PNG."""

from pathlib import Path
from typing import Final

from sonyc_contract.files import whole_file
from sonyc_trainer.results import Results

_SIZE_INCHES: Final = (7.2, 4.2)
_DPI: Final = 150
# Okabe and Ito's colours, distinguishable for colour-blind readers, each with a marker of its own.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")


def plot_macro_f1(path: Path, results: Results) -> None:
    """Draw macro-F1 over the tested level, a line per head."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, head in enumerate(results.heads):
        values = [results.matrix[head][level].macro_f1 for level in results.levels]
        axes.plot(
            results.levels,
            values,
            color=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            label="level-robust" if head == "any" else head,
        )
    cell = results.matrix[results.heads[0]][results.levels[0]]
    axes.set_xlabel("tested level")
    axes.set_ylabel("macro-F1")
    axes.set_title(f"Macro-F1 on {cell.n_clips} {results.split} clips of {cell.n_classes} classes", loc="left")
    axes.grid(axis="y", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", title="trained on", frameon=False)
    with whole_file(path) as part:
        figure.savefig(part, dpi=_DPI, format="png")
