"""How commands run what takes long: it can be interrupted, and says how far it has come."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.folder import StudyFolder
    from sonyc_trainer.pipeline import StageOutcome
    from sonyc_trainer.study import Study

EXIT_INTERRUPTED: Final = 130


def study_folder(study: "Study", out: Path | None, labels: str | None) -> "StudyFolder":
    """Give the folder of a study's results, `out/NAME` by default.

    Raises:
        BadParameter: `labels` is no mode.
    """
    from sonyc_trainer.deciding import LabelMode
    from sonyc_trainer.folder import StudyFolder

    if labels is not None:
        if labels not in set(LabelMode):
            raise typer.BadParameter(f"{labels!r} is not one of {', '.join(LabelMode)}", param_hint="'--labels'")
        study = study.model_copy(update={"labels": LabelMode(labels)})
    return StudyFolder(out or Path("out") / study.name, study)


def say(outcome: "StageOutcome") -> None:
    """Tell of a stage that is finished, on standard error."""
    done = "kept" if outcome.is_kept else f"{outcome.duration_s:.1f} s"
    of = f" ({outcome.variant})" if outcome.variant else ""
    print(f"{outcome.stage:<12} {done}{of}", file=sys.stderr)


@contextmanager
def stage_context(dask: str | None, cache: Path) -> "Iterator[StageContext]":
    """Give what stages work with: all cores, or a Dask cluster.

    Raises:
        BadParameter: `dask` is no address.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.dask_cluster import dask_cluster, is_dask_address

    if dask is None:
        yield StageContext(cache=cache)
        return
    if not is_dask_address(dask):
        raise typer.BadParameter(f"{dask!r} is not tcp://HOST:PORT, local or local:N", param_hint="'--dask'")
    with dask_cluster(dask) as executor:
        yield StageContext(executor=executor, cache=cache)


@contextmanager
def resumable(said: str = "the same command goes on where this one stopped") -> Iterator[None]:
    """End with 130 and a word when interrupted or asked to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted: {said}", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
