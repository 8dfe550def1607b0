"""Encode a clip at every level, and decode what another machine encoded: code_and_decode.py WAV THEIRS OURS

OURS gets `<level>.coded`, and `<level>.npy` of what `<level>.coded` in THEIRS decodes to. Runs on either machine.
"""

import sys
from pathlib import Path

import numpy as np

from sonyc_contract.audio import read_audio
from sonyc_contract.codec import decode, encode
from sonyc_contract.files import write_whole
from sonyc_contract.levels import Level


def main(clip: Path, theirs: Path, ours: Path) -> None:
    audio = read_audio(clip)
    for level in Level:
        write_whole(ours / f"{level}.coded", encode(audio.samples, audio.rate_hz, level=level))
        samples, _ = decode((theirs / f"{level}.coded").read_bytes())
        np.save(ours / f"{level}.npy", samples)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
