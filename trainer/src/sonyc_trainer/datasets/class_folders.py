"""A folder per class: the simplest way to bring one's own recordings."""

import re
from collections.abc import Mapping
from pathlib import Path

from sonyc_contract.labels import LABELS
from sonyc_trainer.datasets.clip_lists import read_clip_list
from sonyc_trainer.datasets.listing import (
    AUDIO_SUFFIXES,
    NO_FOLD,
    Clip,
    Listing,
    check_class_names,
    dataset_folder,
    labels_of,
)
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetSettings


def list_clips(settings: DatasetSettings) -> Listing:
    """List every audio file below every class's folder, or those that the study's list names.

    Source recording and fold are read from the file's name by the study's `file_pattern`. Without a source each file
    is its own group, and a note says so.

    Raises:
        DatasetError: no folders, a folder that is no class, a file's name that the pattern does not find or that is not
            text, two files that differ only in their ending, or clips of the list that are not there.
    """
    root = dataset_folder(settings)
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    classes = _classes(settings, [folder.name for folder in folders])
    wanted = read_clip_list(settings)
    clips: list[Clip] = []
    n_passed_over = n_not_listed = 0
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if not path.is_dir() and not path.name.startswith("."))
        audio = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()]
        n_passed_over += len(files) - len(audio)
        taken = [path for path in audio if wanted is None or _name(root, path) in wanted.names]
        n_not_listed += len(audio) - len(taken)
        clips += [_clip(settings, root, path, folder.name, classes) for path in taken]
    _check_unique(clips)
    n_alone = sum(clip.group == clip.clip_id for clip in clips)
    notes = _notes(settings, n_alone, n_passed_over)
    if wanted is not None:
        wanted.check_found({_name(root, Path(clip.path)) for clip in clips}, root)
        notes += wanted.notes(settings.name, len(clips) + n_not_listed)
    return Listing(clips, notes=notes)


def _classes(settings: DatasetSettings, folders: list[str]) -> Mapping[str, str]:
    if not folders:
        raise DatasetError(f"{settings.path}: has no folders; one per class is needed, such as {LABELS[0]}/")
    classes = settings.classes or {label: label for label in LABELS}
    check_class_names(settings, folders, classes)
    if settings.classes:
        return classes
    if unknown := [name for name in folders if name not in (*LABELS, *settings.background)]:
        raise DatasetError(
            f"{settings.path}: folder {unknown[0]!r} is no class of SONYC's ({', '.join(LABELS)}); rename it, map "
            "the folders in the study's 'classes', or name it in 'background' where it holds none of the eight"
        )
    return classes


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _clip(settings: DatasetSettings, root: Path, path: Path, class_name: str, classes: Mapping[str, str]) -> Clip:
    clip_id = f"{settings.name}/{_name(root, path)}"
    if not clip_id.isprintable():  # bytes that are no UTF-8 among it, which tables cannot hold
        raise DatasetError(f"{str(path)!r}: the name has characters that are not text; rename it")
    found = _found(settings, path)
    prefix = settings.sources or settings.name
    return Clip(
        clip_id=clip_id,
        dataset=settings.name,
        path=str(path),
        labels=labels_of(class_name, classes),
        group=f"{prefix}/{found['source']}" if found.get("source") else clip_id,
        fold=_fold(settings, path, found),
        is_background=class_name in settings.background,
    )


def _found(settings: DatasetSettings, path: Path) -> dict[str, str | None]:
    if settings.file_pattern is None:
        return {}
    match = re.search(settings.file_pattern, path.name)
    if match is None:
        raise DatasetError(f"{path}: its name does not fit the study's file_pattern {settings.file_pattern!r}")
    return match.groupdict()


def _fold(settings: DatasetSettings, path: Path, found: Mapping[str, str | None]) -> int:
    text = found.get("fold")
    if text is None:
        return NO_FOLD
    if not text.isdecimal():
        raise DatasetError(f"{path}: file_pattern {settings.file_pattern!r} gives fold {text!r}, which is no number")
    return int(text)


def _check_unique(clips: list[Clip]) -> None:
    paths: dict[str, str] = {}
    for clip in clips:
        if clip.clip_id in paths:
            raise DatasetError(f"{clip.path} and {paths[clip.clip_id]} differ only in their ending; rename one")
        paths[clip.clip_id] = clip.path


def _notes(settings: DatasetSettings, n_alone: int, n_passed_over: int) -> list[str]:
    notes = []
    if n_alone:
        notes.append(
            f"Dataset {settings.name}: nothing says from which source recording {n_alone} of its files come, so each "
            "of them is its own group; pieces of one recording may be in training and test."
        )
    if n_passed_over:
        notes.append(f"Dataset {settings.name}: files passed over because they are not audio: {n_passed_over}.")
    return notes
