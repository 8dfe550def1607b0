"""Audio as files bring it: what is accepted, what is marked, and what is refused in one line."""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonyc_contract.audio import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Audio,
    check_finite,
    from_int16,
    leq_dbfs,
    open_audio,
    parse_audio,
    read_audio,
    resample,
    to_int16,
)
from sonyc_contract.codec import encode
from sonyc_contract.errors import AudioError
from sonyc_contract.levels import Level

_NOISE = np.random.default_rng(5).normal(0, 0.1, 48_000).astype(np.float32)
_TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.float32)


def _encoded(container: str, subtype: str, samples: NDArray[np.generic] = _NOISE, rate_hz: int = 48_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


# What is accepted


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-23),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 2**-5),
        ("WAV", "IMA_ADPCM", 0.02),
        ("WAVEX", "PCM_24", 2**-23),
        ("RF64", "PCM_16", 2**-15),
        ("W64", "PCM_16", 2**-15),
        ("AIFF", "PCM_S8", 2**-7),
        ("AIFF", "PCM_16", 2**-15),
        ("AU", "PCM_16", 2**-15),
        ("CAF", "PCM_24", 2**-23),
        ("FLAC", "PCM_S8", 2**-7),
        ("FLAC", "PCM_24", 2**-23),
        ("OGG", "VORBIS", 0.02),
        ("OGG", "OPUS", 0.02),
        ("MP3", "MPEG_LAYER_III", 0.02),
    ],
)
def test_formats(container: str, subtype: str, tolerance: float, tmp_path: Path) -> None:
    path = _written(tmp_path / "clip", _encoded(container, subtype, _TONE))
    audio = read_audio(path)
    assert (audio.rate_hz, audio.n_channels, audio.is_cut, audio.is_silent) == (48_000, 1, False, False)
    assert audio.samples.dtype == np.float32
    assert audio.samples.flags.c_contiguous
    middle = slice(1_000, 47_000)
    np.testing.assert_allclose(audio.samples[middle], _TONE[middle], rtol=0, atol=tolerance)
    assert audio.duration_s == pytest.approx(1.0, abs=0.03)  # ADPCM fills its last block


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 96_000, 192_000])
def test_rates(rate_hz: int, tmp_path: Path) -> None:
    audio = read_audio(_written(tmp_path / "clip.wav", _encoded("WAV", "PCM_16", rate_hz=rate_hz)))
    assert (audio.rate_hz, len(audio.samples)) == (rate_hz, 48_000)


@pytest.mark.parametrize("rate_hz", [1, 7_999, 192_001, 384_000])
def test_rate_out_of_range(rate_hz: int, tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.wav", _encoded("WAV", "PCM_16", rate_hz=rate_hz))
    assert _refusal(path) == f"sample rate {rate_hz} Hz; accepted are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"


@pytest.mark.parametrize("n_channels", [2, 3, 8, 64])
def test_channels_are_averaged(n_channels: int, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).uniform(-1, 1, (1_000, n_channels)).astype(np.float32)
    audio = read_audio(_written(tmp_path / "clip.wav", _encoded("WAV", "FLOAT", frames)))
    assert audio.n_channels == n_channels
    np.testing.assert_allclose(audio.samples, frames.mean(axis=1), rtol=0, atol=1e-6)


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    frames = np.stack([_NOISE, -_NOISE], axis=1)
    assert read_audio(_written(tmp_path / "clip.wav", _encoded("WAV", "FLOAT", frames))).is_silent


def test_all_zero_is_marked_silent(tmp_path: Path) -> None:
    assert read_audio(_written(tmp_path / "clip.wav", _encoded("WAV", "PCM_16", np.zeros(100)))).is_silent


def test_one_sample(tmp_path: Path) -> None:
    audio = read_audio(_written(tmp_path / "clip.flac", _encoded("FLAC", "PCM_16", np.array([0.5]))))
    np.testing.assert_array_equal(audio.samples, np.array([0.5], np.float32))


@pytest.mark.parametrize("level", [Level.PCM, Level.V0, Level.V5, Level.V9])
def test_long_file_is_the_same_in_blocks(level: Level) -> None:
    """Read in one piece by soundfile itself; by us in several blocks, where its seeking would alter MP3."""
    data = encode(np.tile(_NOISE, 50), 48_000, level=level)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_allclose(parse_audio(data, "clip").samples, whole, rtol=0, atol=1e-7)


def test_real_files(shared_data: Path) -> None:
    paths = [*(shared_data / "sonyc").glob("*.wav"), *(shared_data / "esc10").glob("*/1-*.ogg")]
    paths += list((shared_data / "urbansound8k").glob("*/*/*.flac"))[::100]
    assert len(paths) > 20
    for path in paths:
        audio = read_audio(path)
        assert not audio.is_cut, path
        assert audio.rate_hz in {22_050, 44_100}


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9clip.wav"))
    assert len(read_audio(_written(path, _encoded("WAV", "PCM_16"))).samples) == 48_000


# What is cut


_CUTTABLE = {
    "wav": _encoded("WAV", "PCM_16"),
    "float wav": _encoded("WAV", "FLOAT"),
    "24-bit wav": _encoded("WAVEX", "PCM_24"),
    "rf64": _encoded("RF64", "PCM_16"),
    "w64": _encoded("W64", "PCM_16"),
    "aiff": _encoded("AIFF", "PCM_16"),
    "au": _encoded("AU", "PCM_16"),
    "flac": _encoded("FLAC", "PCM_16"),
    "opus": _encoded("OGG", "OPUS"),
    "soundfile's mp3": _encoded("MP3", "MPEG_LAYER_III"),
    "v0": encode(_NOISE, 48_000, level=Level.V0),
    "v9": encode(_NOISE, 48_000, level=Level.V9),
}


@pytest.mark.parametrize("name", _CUTTABLE)
def test_cut_data_are_read_as_far_as_they_go(name: str, tmp_path: Path) -> None:
    data = _CUTTABLE[name]
    whole = parse_audio(data, name)
    assert not whole.is_cut
    cut = read_audio(_written(tmp_path / "cut", data[: round(0.6 * len(data))]))
    assert cut.is_cut
    assert 20_000 < len(cut.samples) < 40_000
    np.testing.assert_allclose(cut.samples[:20_000], whole.samples[:20_000], rtol=0, atol=1e-6)
    assert read_audio(_written(tmp_path / "cut", data[:-1])).is_cut


def test_cut_vorbis(shared_data: Path, tmp_path: Path) -> None:
    path = sorted((shared_data / "esc10").glob("*/*.ogg"))[0]
    data, whole = path.read_bytes(), read_audio(path)
    cut = read_audio(_written(tmp_path / "cut.ogg", data[: round(0.6 * len(data))]))
    assert cut.is_cut
    assert 0 < len(cut.samples) < len(whole.samples)


def test_tail_of_cut_flac_is_not_lost() -> None:
    """libsndfile fails in the broken frame; what it decoded before belongs to the clip."""
    data = _CUTTABLE["flac"]
    assert len(parse_audio(data[:-1], "cut").samples) == 45_056  # eleven whole frames of 4,096 of the twelve


@pytest.mark.parametrize("n_bytes", [0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF])
def test_size_that_a_pipe_left_is_no_cut(n_bytes: int) -> None:
    data = bytearray(_CUTTABLE["wav"])
    struct.pack_into("<I", data, data.index(b"data") + 4, n_bytes)
    audio = parse_audio(bytes(data), "piped")
    assert (len(audio.samples), audio.is_cut) == (48_000, False)


def test_chunks_before_and_after_the_data_are_no_cut() -> None:
    data = bytearray(_CUTTABLE["wav"])
    position = data.index(b"data")
    data[position:position] = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    data += b"id3 " + struct.pack("<I", 4) + b"tags"
    audio = parse_audio(bytes(data), "tagged")
    assert (len(audio.samples), audio.is_cut) == (48_000, False)
    assert parse_audio(bytes(data[:-100]), "tagged").is_cut


def test_flac_of_unknown_length() -> None:
    data = bytearray(_CUTTABLE["flac"])
    _set_flac_total(data, 0)
    assert not parse_audio(bytes(data), "piped").is_cut
    assert len(parse_audio(bytes(data), "piped").samples) == 48_000
    assert parse_audio(bytes(data[:50_000]), "piped").is_cut


def test_mp3_without_tag_is_not_called_cut() -> None:
    """Its length is libsndfile's estimate, which a constant bit rate and a tag at the end put too high."""
    from pedalboard.io import AudioFile

    buffer = io.BytesIO()
    with AudioFile(buffer, "w", 44_100, 1, format="mp3", quality="128 kbps") as file:
        file.write(_NOISE)
    untagged = buffer.getvalue()[417:]
    assert untagged[:2] == b"\xff\xfb"
    assert not parse_audio(untagged, "untagged").is_cut
    # ID3 in front: 16 pictures of 128 bytes
    assert not parse_audio(b"ID3\x04\0\0\0\0\x10\0" + bytes(16 * 128) + untagged, "tagged").is_cut


# What is refused


def test_missing(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "absent.wav") == "no such file"


def test_folder(tmp_path: Path) -> None:
    assert _refusal(tmp_path) == "a folder, not an audio file"


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert _refusal(tmp_path / "pipe.wav") == "not an audio file"


def test_zero_length(tmp_path: Path) -> None:
    assert _refusal(_written(tmp_path / "clip.wav", b"")) == "the file is empty (0 bytes); record or copy it again"


def test_name_too_long(tmp_path: Path) -> None:
    assert _refusal(tmp_path / ("x" * 300)) == "cannot be read: File name too long"


@pytest.mark.parametrize("name", ["clip.wav", "clip.mp3", "clip.raw", "clip", "cl\nip.wav"])
@pytest.mark.parametrize(
    "data", [b"hello, this is text\n" * 100, b"\0" * 4_096, b"\x89PNG\r\n\x1a\n" + bytes(500), b"P"]
)
def test_not_audio(name: str, data: bytes, tmp_path: Path) -> None:
    path = _written(tmp_path / name, data)
    with pytest.raises(AudioError, match="not audio in any format that libsndfile reads; convert it to WAV or FLAC"):
        read_audio(path)


@pytest.mark.parametrize("name", _CUTTABLE)
def test_cut_header(name: str, tmp_path: Path) -> None:
    for n_bytes in (4, 8, 11, 12, 16, 20):
        message = _refusal(_written(tmp_path / "cut", _CUTTABLE[name][:n_bytes]))
        assert "header is cut short" in message or "no more than one MP3 frame" in message or "not audio" in message


def test_cut_wav_header_names_the_way_out(tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.wav", _CUTTABLE["wav"][:30])
    assert _refusal(path) == (
        "its WAV header is cut short or damaged, or of a rare kind (Error in WAV file. No 'data' chunk marker); "
        "copy or record it again"
    )


def test_header_without_samples(tmp_path: Path) -> None:
    for name, n_bytes in (("wav", 44), ("flac", 100)):
        path = _written(tmp_path / "clip", _CUTTABLE[name][:n_bytes])
        assert _refusal(path) == "holds no samples; it is empty, or was cut off before the first one"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_not_finite(value: float, subtype: str, tmp_path: Path) -> None:
    samples = _NOISE.astype(np.float64)
    samples[[1_234, 40_000]] = value
    path = _written(tmp_path / "clip.wav", _encoded("WAV", subtype, samples))
    assert _refusal(path) == f"sample 1234 is {value}; repair or leave out the recording"


@pytest.mark.parametrize("frames", [[[np.inf, -np.inf]], [[0, np.nan]], [[3e38, 3e38]]])
def test_not_finite_in_one_channel(frames: list[list[float]], tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.wav", _encoded("WAV", "FLOAT", np.array(frames, np.float32)))
    assert _refusal(path).startswith("sample 0 is ")


def test_double_that_float32_cannot_hold(tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.wav", _encoded("WAV", "DOUBLE", np.array([0, 1e300])))
    assert _refusal(path) == "sample 1 is inf; repair or leave out the recording"


def test_nothing_else_is_said(tmp_path: Path) -> None:
    """No traceback, no warning, no library's own line: standard error stays empty."""
    for index, data in enumerate([b"", b"text", _CUTTABLE["wav"][:30], _CUTTABLE["aiff"][:44], _CUTTABLE["v9"][:90]]):
        _written(tmp_path / str(index), data)
    program = (
        "import sys; from pathlib import Path; from sonyc_contract.audio import read_audio, AudioError\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: read_audio(path)\n"
        "    except AudioError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n" * 5, "")


# What promises gigabytes


_MEMORY_LIMIT_BYTES = 1_500_000_000
"""Of address space, of which the libraries' code and thread stacks take the most."""


def _set_flac_total(data: bytearray, n_samples: int) -> None:
    packed = int.from_bytes(data[18:26], "big")
    data[18:26] = ((packed >> 36 << 36) | n_samples).to_bytes(8, "big")


def _huge_flac() -> bytes:
    data = bytearray(_CUTTABLE["flac"])
    _set_flac_total(data, 2**36 - 1)
    return bytes(data)


def _huge_wav() -> bytes:
    data = bytearray(_CUTTABLE["wav"])
    struct.pack_into("<I", data, data.index(b"data") + 4, 0x7FFF_0000)
    return bytes(data)


def _huge_w64() -> bytes:
    data = bytearray(_CUTTABLE["w64"])
    struct.pack_into("<Q", data, data.index(b"data", 40) + 16, 2**62)
    return bytes(data)


def _huge_chunk() -> bytes:
    return b"riff" + bytes(36) + b"junk" + bytes(12) + struct.pack("<Q", 2**64 - 1) + bytes(100)


@pytest.mark.parametrize("make", [_huge_flac, _huge_wav, _huge_w64, _huge_chunk])
def test_promised_gigabytes_are_not_allocated(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = _written(tmp_path / "clip", make())
    program = (
        "import resource, sys; from pathlib import Path; import numpy, soundfile\n"
        "from sonyc_contract.audio import read_audio, AudioError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)\n"
        "try: print(len(read_audio(Path(sys.argv[1])).samples))\n"
        "except AudioError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(path), str(_MEMORY_LIMIT_BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(("48000\n", f"{path}: "))


# Fuzz


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_altered_files_are_read_or_refused(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([_CUTTABLE[name] for name in ("wav", "aiff", "flac", "opus", "au", "w64")]))
    altered = bytearray(original[: data.draw(st.integers(0, len(original)))])
    for _ in range(data.draw(st.integers(0, 6))):
        if altered:
            altered[data.draw(st.integers(0, min(len(altered), 120) - 1))] = data.draw(st.integers(0, 255))
    try:
        audio = parse_audio(bytes(altered), "fuzz")
    except AudioError:
        return
    assert len(audio.samples) > 0
    assert np.isfinite(audio.samples).all()


# Arrays


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 8_000), (44_100, 48_000), (8_000, 48_000), (192_000, 16_000)])
def test_resampled_length(from_hz: int, to_hz: int) -> None:
    for n_samples in (1, 2, 7, 100, 999, 12_345):
        resampled = resample(_NOISE[:n_samples], from_hz, to_hz)
        assert abs(len(resampled) - n_samples * to_hz / from_hz) <= 0.5
        assert resampled.dtype == np.float32


def test_resampling_keeps_time_and_level() -> None:
    time_s = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 1_000 * time_s).astype(np.float32)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(resample(tone, 44_100, 16_000)[500:-500], expected[500:-500], rtol=0, atol=1e-3)


def test_resampling_to_the_same_rate_is_the_input() -> None:
    assert resample(_NOISE, 48_000, 48_000) is _NOISE


def test_int16_round_trip() -> None:
    steps = np.arange(-32_768, 32_768, dtype=np.int16)
    np.testing.assert_array_equal(to_int16(from_int16(steps)), steps)


@pytest.mark.parametrize(("dtype", "value"), [(np.float32, 0.25), (np.float64, 0.25)])
def test_to_int16_takes_either_float(dtype: type, value: float) -> None:
    assert to_int16(np.array([value], dtype)).tolist() == [8_192]


def test_leq() -> None:
    assert leq_dbfs(np.ones(10, np.float32)) == 0
    assert leq_dbfs(np.sin(np.arange(48_000) * 0.1).astype(np.float32)) == pytest.approx(-3.01, abs=0.01)
    half_loud = np.concatenate([np.ones(100), np.zeros(100)]).astype(np.float32)
    assert leq_dbfs(half_loud) == pytest.approx(-3.01, abs=0.01)  # energy, not decibels, is averaged
    assert leq_dbfs(np.zeros(10, np.float32)) == -200
    assert leq_dbfs(np.array([], np.float32)) == -200


def test_check_finite_names_what_it_is_given() -> None:
    check_finite(_NOISE, "clip")
    with pytest.raises(AudioError, match="clip: sample 2 is inf"):
        check_finite(np.array([0, 1, np.inf, np.nan], np.float32), "clip")


def test_duration() -> None:
    assert Audio(np.zeros(24_000, np.float32), 48_000).duration_s == 0.5


# Block by block


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
def test_blocks_are_what_is_read_at_once(container: str, subtype: str, tmp_path: Path) -> None:
    stereo = np.random.default_rng(6).normal(0, 0.1, (1_200_000, 2)).astype(np.float32)
    path = _written(tmp_path / "long", _encoded(container, subtype, stereo))
    with open_audio(path) as reader:
        assert (reader.rate_hz, reader.n_channels) == (48_000, 2)
        blocks = list(reader.blocks())
    assert len(blocks) >= 3
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(path).samples)


def test_one_channel_of_several(tmp_path: Path) -> None:
    path = _written(tmp_path / "stereo.wav", _encoded("WAV", "FLOAT", np.stack([_NOISE, _TONE], axis=1)))
    with open_audio(path) as reader:
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks(channel=1))), _TONE)


def test_cut_is_known_when_all_was_read(tmp_path: Path) -> None:
    data = _encoded("FLAC", "PCM_16")
    with open_audio(_written(tmp_path / "cut.flac", data[: len(data) // 2])) as reader:
        assert not reader.is_cut
        assert 0 < sum(map(len, reader.blocks())) < len(_NOISE)
        assert reader.is_cut


def test_sample_that_is_not_finite_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    samples = np.zeros(1_100_000, np.float32)
    samples[1_060_000] = np.nan
    path = _written(tmp_path / "bad.wav", _encoded("WAV", "FLOAT", samples))
    with open_audio(path) as reader, pytest.raises(AudioError, match=r"bad\.wav: sample 1060000 is nan"):
        list(reader.blocks())


def test_what_is_no_audio_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="not audio"), open_audio(_written(tmp_path / "text", b"x" * 100)):
        pass
    with pytest.raises(AudioError, match="no such file"), open_audio(tmp_path / "absent"):
        pass
