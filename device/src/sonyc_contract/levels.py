"""How far a clip is compressed: `pcm`, or one of LAME's ten VBR qualities."""

from enum import StrEnum

from sonyc_contract.errors import LevelError


class Level(StrEnum):
    """A compression level.

    `pcm` has no lossy step and is stored as FLAC; `v0` ... `v9` are LAME's VBR qualities as Pedalboard numbers them,
    of which `v9` makes the smallest file. LAME's own V0 is lossy: a study's "level 0" is `pcm`.
    """

    PCM = "pcm"
    V0 = "v0"
    V1 = "v1"
    V2 = "v2"
    V3 = "v3"
    V4 = "v4"
    V5 = "v5"
    V6 = "v6"
    V7 = "v7"
    V8 = "v8"
    V9 = "v9"

    @property
    def is_lossy(self) -> bool:
        """Whether samples change on the way through the codec."""
        return self is not Level.PCM

    @property
    def vbr_quality(self) -> str:
        """Pedalboard's name of the quality, such as `V5`.

        Raises:
            LevelError: for `pcm`, which has none.
        """
        if not self.is_lossy:
            raise LevelError("level 'pcm' is stored as FLAC and has no VBR quality")
        return self.value.upper()

    @property
    def suffix(self) -> str:
        """The file name's ending, with its dot."""
        return ".mp3" if self.is_lossy else ".flac"


def parse_level(text: str) -> Level:
    """Read a level's name, in either case.

    Raises:
        LevelError: when `text` names none.
    """
    try:
        return Level(text.strip().lower())
    except ValueError:
        raise LevelError(f"unknown level {text!r}: use one of {', '.join(Level)}") from None
