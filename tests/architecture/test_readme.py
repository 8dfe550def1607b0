"""What README.md tells readers to type exists, and so do the files it points to."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMANDS = ("sonyc-device", "sonyc-trainer", "sonyc-tools")

_REPOSITORY = Path(__file__).resolve().parents[2]
_README = (_REPOSITORY / "README.md").read_text()
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)


def _typed() -> Iterator[list[str]]:
    """Every command of the fenced blocks and code spans, in words."""
    blocks = _FENCED.findall(_README)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [" ".join(span.split()) for span in _SPAN.findall(_FENCED.sub("", _README))]
    for line in lines:
        for command in re.split(r"&&|;", line):
            words = shlex.split(command, comments=True) if command.count("'") % 2 == 0 else command.split()
            if words:
                yield [Path(words[0]).name, *words[1:]]


_TYPED = list(_typed())
_OURS = [words for words in _TYPED if words[0] in COMMANDS and len(words) > 1]
_TARGETS = sorted({words[1] for words in _TYPED if words[0] == "make" and len(words) > 1})


def test_readme_names_commands_of_each_kind() -> None:
    assert {"demo", "test", "test-all", "check", "help"} <= set(_TARGETS)
    assert {words[0] for words in _OURS} >= {"sonyc-device", "sonyc-trainer"}


@pytest.mark.parametrize("target", _TARGETS)
def test_make_target_exists(target: str) -> None:
    assert target in _TARGET.findall((_REPOSITORY / "Makefile").read_text())


@pytest.mark.parametrize("words", _OURS, ids=" ".join)
def test_subcommand_and_its_options_exist(words: list[str]) -> None:
    program = Path(sys.executable).with_name(words[0])
    subcommand = _subcommand(words[1:])
    command = [str(program), *subcommand, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert not [option for option in options if option not in done.stdout]


@pytest.mark.parametrize("path", sorted(set(_LINK.findall(_README))))
def test_linked_file_exists(path: str) -> None:
    assert (_REPOSITORY / path).exists()


def test_files_in_commands_exist() -> None:
    ours = re.compile(r"(firmware_config|trainer|tools|docs)/\S+\.\w+|[a-z0-9-]+\.lock")
    named = {match[0] for words in _TYPED for word in words if (match := ours.fullmatch(word))}
    assert len(named) >= 3
    assert not [name for name in named if not (_REPOSITORY / name).exists()]


def _subcommand(words: list[str]) -> list[str]:
    plain = []
    for word in words:
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", word):
            break
        plain.append(word)
    return plain
