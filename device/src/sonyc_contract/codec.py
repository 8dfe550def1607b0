"""The one way audio goes to storage and back: encode with Pedalboard (LAME) or as FLAC, decode with soundfile.

Measured on 8 to 48 kHz, every level and 18 lengths from one sample to 10 s: as many samples come back as went in, with
lag 0, because soundfile honours LAME's delay tag. Pedalboard's own reader gives the same bytes back late and longer.
"""

import io
from typing import Final

from sonyc_contract.audio import FloatArray, check_finite, from_int16, parse_audio, to_int16
from sonyc_contract.errors import AudioError, CodecError
from sonyc_contract.levels import Level

STORAGE_RATES_HZ: Final = (16_000, 24_000, 32_000, 44_100, 48_000)
DEFAULT_STORAGE_RATE_HZ: Final = 48_000
ENCODABLE_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def encode(samples: FloatArray, rate_hz: int, *, level: Level) -> bytes:
    """Encode mono audio as MP3, or as 16-bit FLAC for `pcm`.

    The samples are quantised to 16 bits first at every level, so that `pcm` differs from the others by the codec only.
    The bytes of one input differ between processor architectures; never compare digests of them.

    Args:
        samples: float32 [n], n >= 1, within -1 ... 1; what is over full scale is clipped.
        rate_hz: One of `ENCODABLE_RATES_HZ`.
        level: The compression level.

    Raises:
        CodecError: no samples, not mono, NaN or infinity, or a rate that LAME has not.
    """
    if samples.ndim != 1 or len(samples) == 0:
        raise CodecError(
            f"cannot encode an array of shape {samples.shape}: one channel with at least one sample is needed"
        )
    if rate_hz not in ENCODABLE_RATES_HZ:
        raise CodecError(f"cannot encode at {rate_hz} Hz: resample to one of {', '.join(map(str, ENCODABLE_RATES_HZ))}")
    try:
        check_finite(samples, "audio to encode")
    except AudioError as error:
        raise CodecError(str(error)) from error
    quantised = to_int16(samples)
    buffer = io.BytesIO()
    if not level.is_lossy:
        import soundfile

        soundfile.write(buffer, quantised, rate_hz, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()

    from pedalboard.io import AudioFile

    with AudioFile(buffer, "w", rate_hz, 1, format="mp3", quality=level.vbr_quality) as file:
        file.write(from_int16(quantised))
    return buffer.getvalue()


def decode(data: bytes) -> tuple[FloatArray, int]:
    """Decode what `encode` made.

    Returns:
        float32 [n] with exactly the samples that went in, and the rate in Hz.

    Raises:
        CodecError: the bytes are cut short or are not FLAC or MP3.
    """
    try:
        audio = parse_audio(data, f"{len(data)} bytes of encoded audio")
    except AudioError as error:
        raise CodecError(str(error)) from error
    if audio.is_cut:
        raise CodecError(
            f"{len(data)} bytes of encoded audio are cut short: they hold {len(audio.samples)} samples, not all that "
            "were encoded; copy them again"
        )
    return audio.samples, audio.rate_hz


def round_trip(samples: FloatArray, rate_hz: int, *, level: Level) -> FloatArray:
    """Give `samples` as they are after storage at `level`: float32 [n], same rate, aligned.

    Raises:
        CodecError: as `encode`.
    """
    decoded, _ = decode(encode(samples, rate_hz, level=level))
    return decoded


def encoder_version() -> str:
    """Name and version of the encoder, for caches and records."""
    from importlib import metadata

    return f"pedalboard-{metadata.version('pedalboard')}"
