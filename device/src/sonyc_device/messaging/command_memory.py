"""What was commanded, across restarts: one small file, written whole."""

import logging
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from sonyc_contract.commands import Acknowledgement
from sonyc_contract.files import write_whole
from sonyc_contract.settings import Settings, describe
from sonyc_device.effective import Overrides
from sonyc_device.errors import CommandError

_LOGGER = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 100
"""Answers on the disk: a command may come again for as long as so many others have not been applied."""
MAX_RECENT: Final = 1_000
MAX_FILE_BYTES: Final = 1_000_000


class Kept(Settings):
    """What the file holds.

    Attributes:
        overrides: What commands changed.
        replaced: What the node's file said at that time, by key; where it says something else now, the file is newer.
        answers: To the last commands that were applied.
    """

    overrides: Overrides = Overrides()
    replaced: dict[str, str] = Field(default_factory=dict)
    answers: tuple[Acknowledgement, ...] = ()


def read_kept(path: Path) -> Kept:
    """Read the file; one that is not there holds nothing.

    Raises:
        OSError: it cannot be read.
        ValidationError: it is not such a file.
    """
    try:
        with path.open("rb") as file:
            return Kept.model_validate_json(file.read(MAX_FILE_BYTES), strict=True)
    except FileNotFoundError:
        return Kept()


class CommandMemory:
    """Remembers what commands changed, and how each was answered.

    Attributes:
        kept: What is on the disk.
        problem: What was wrong with the file; empty where nothing was.
    """

    def __init__(self, path: Path, *, is_in_use: bool = True) -> None:
        """Read the file. One that cannot be used is set aside, and nothing of it holds.

        Args:
            path: The file.
            is_in_use: Whether it is read; a node that takes no commands obeys none of before either.
        """
        self._path = path
        self.problem = ""
        self.kept = self._read() if is_in_use else Kept()
        self._answers: OrderedDict[tuple[str, str], Acknowledgement] = OrderedDict()
        for answer in self.kept.answers:
            self.note(answer)

    def answer(self, operation: str, command_id: str) -> Acknowledgement | None:
        """Give the answer to a command that was answered before."""
        return self._answers.get((operation, command_id))

    def note(self, answer: Acknowledgement) -> None:
        """Remember an answer in this run."""
        self._answers[answer.op, answer.id] = answer
        while len(self._answers) > MAX_RECENT:
            self._answers.popitem(last=False)

    def keep(self, overrides: Overrides, replaced: dict[str, str], *answers: Acknowledgement) -> None:
        """Write what holds from now on, and remember answers across restarts.

        Raises:
            CommandError: it cannot be written; what was kept before still is.
        """
        kept = Kept(overrides=overrides, replaced=replaced, answers=(*self.kept.answers, *answers)[-MAX_REMEMBERED:])
        try:
            write_whole(self._path, kept.model_dump_json(by_alias=True).encode())
        except OSError as error:
            raise CommandError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self.kept = kept
        for answer in answers:
            self.note(answer)

    def _read(self) -> Kept:
        try:
            return read_kept(self._path)
        except (OSError, ValidationError) as error:
            reason = describe(error) if isinstance(error, ValidationError) else str(error.strerror or error)
            self.problem = (
                f"{self._path} cannot be used ({reason:.200}): the node's own file holds; {self._set_aside()}"
            )
            _LOGGER.error("%s", self.problem)
            return Kept()

    def _set_aside(self) -> str:
        target = self._path.with_name(f"{self._path.name}.corrupt-{secrets.token_hex(4)}")
        try:
            self._path.rename(target)
        except OSError as error:
            return f"it stays where it is: {error.strerror or error}"
        return f"kept as {target.name}"
