"""Classifying files as the node does, and refusing what cannot be."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonyc_contract.audio import from_int16, to_int16
from sonyc_contract.bundle import Bundle, head_member, pack_bundle, read_bundle
from sonyc_contract.codec import encode, round_trip
from sonyc_contract.errors import AudioError, BundleError, LevelError
from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import LABELS, by_label
from sonyc_contract.levels import Level
from sonyc_contract.messages import StoredClip, dump_message
from sonyc_contract.runtime import Runtime
from sonyc_device.classification import Classifier, require_served
from sonyc_device.cli import main
from support.processes import unprivileged
from support.signals import noise, write_wav

SESSION = "0123456789abcdef"
RATE_HZ = 48_000


@pytest.fixture(scope="module")
def bundle(default_bundle: Path) -> Bundle:
    """The shipped bundle."""
    return read_bundle(default_bundle)


@pytest.fixture
def classifier(bundle: Bundle, runtime: Runtime) -> Classifier:
    """It, on each runtime."""
    return Classifier(bundle, runtime=runtime)


def store_clip(folder: Path, audio: bytes, *, level: Level, rate_hz: int = RATE_HZ) -> Path:
    """Write a clip as an agent does."""
    path = folder / f"{SESSION}-1{level.suffix}"
    path.write_bytes(audio)
    sidecar = StoredClip.model_validate(
        {
            "node": "node-1", "session": SESSION, "seq": 1, "run": "f" * 16, "clip_id": f"{SESSION}-1",
            "start_utc": "2026-11-23T12:00:00Z", "clock": "synced", "sample_index": 0, "duration_s": 2.0,
            "capture_rate_hz": rate_hz, "bundle": "b" * 64, "head": level, "reason": "mode-all",
            "level": level, "storage_rate_hz": rate_hz, "audio_file": path.name, "sha256": sha256_hex(audio),
            "n_bytes": len(audio), "encoder": "test", "probabilities": dict.fromkeys(LABELS, 0.5),
        }
    )  # fmt: skip
    path.with_suffix(".json").write_bytes(dump_message(sidecar))
    return path


def test_other_audio_goes_through_the_codec(tmp_path: Path, classifier: Classifier, bundle: Bundle) -> None:
    samples = from_int16(to_int16(noise(2.0, RATE_HZ)))
    path = write_wav(tmp_path / "a.wav", samples, RATE_HZ)
    found = classifier.score_file(path, level=Level.V9)
    assert (found.level, found.scores.head) == (Level.V9, bundle.head_for(Level.V9))
    recogniser = classifier.recogniser
    expected = recogniser.score(round_trip(samples, RATE_HZ, level=Level.V9), RATE_HZ, level=Level.V9)
    np.testing.assert_array_equal(found.scores.probabilities, expected.probabilities)
    raw = classifier.score_file(path)
    assert raw.level is Level.PCM
    assert not np.array_equal(raw.scores.probabilities, found.scores.probabilities)


@pytest.mark.parametrize("level", [Level.V7, Level.PCM])
def test_stored_clip_is_only_decoded_and_keeps_its_level(tmp_path: Path, classifier: Classifier, level: Level) -> None:
    samples = from_int16(to_int16(noise(2.0, RATE_HZ)))
    path = store_clip(tmp_path, encode(samples, RATE_HZ, level=level), level=level)
    found = classifier.score_file(path, level=Level.V0)
    assert found.level is level
    expected = classifier.recogniser.score(round_trip(samples, RATE_HZ, level=level), RATE_HZ, level=level)
    np.testing.assert_array_equal(found.scores.probabilities, expected.probabilities)


def test_stored_clip_of_another_rate_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    path = store_clip(tmp_path, encode(noise(2.0, 16_000), 16_000, level=Level.V5), level=Level.V5, rate_hz=16_000)
    with pytest.raises(AudioError, match=r"stored at 16000 Hz, but the bundle is for 48000 Hz"):
        classifier.score_file(path)


def test_bundle_of_another_storage_rate_is_refused(bundle: Bundle) -> None:
    require_served(bundle, level=Level.V5, storage_rate_hz=48_000)
    with pytest.raises(BundleError, match=r"stored at 48000 Hz, but storage_rate_hz = 16000: change"):
        require_served(bundle, level=Level.V5, storage_rate_hz=16_000)


def test_level_that_the_bundle_does_not_serve_is_refused_by_file(
    tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = {name: spec for name, spec in bundle.manifest.heads.items() if name == "v5"}
    left_out = {head_member(name) for name in bundle.manifest.heads if name != "v5"}
    members = {name: data for name, data in bundle.members.items() if name not in left_out}
    manifest = bundle.manifest.model_copy(update={"heads": heads})
    (tmp_path / "v5.bundle").write_bytes(pack_bundle(manifest, members))
    path = write_wav(tmp_path / "a.wav", noise(1.0, 16_000), 16_000)
    code, lines, (error,) = classify(capsys, ["--bundle", tmp_path / "v5.bundle", "--level", "v7", path])
    assert (code, lines) == (1, [])
    assert error.startswith(f"sonyc-device: {path}: no head for level 'v7' and no head-any; heads are for v5: choose")


def test_level_without_a_head_is_refused(bundle: Bundle) -> None:
    only_v5 = Bundle(bundle.manifest.model_copy(update={"heads": {"v5": bundle.manifest.heads["v5"]}}), {}, "0" * 64)
    with pytest.raises(LevelError, match=r"no head for level 'v7' and no head-any; heads are for v5"):
        require_served(only_v5, level=Level.V7, storage_rate_hz=48_000)


def classify(capsys: pytest.CaptureFixture[str], arguments: Sequence[str | Path]) -> tuple[int, list[dict], list[str]]:
    code = main(["classify", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err.splitlines()


def test_one_line_per_file_with_every_key(tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_wav(tmp_path / "a.wav", noise(3.0, 22_050), 22_050)
    code, (line,), errors = classify(capsys, ["--level", "V5", path])
    assert (code, errors) == (0, [])
    assert set(line) == {
        "file", "probabilities", "detections", "level", "head", "bundle", "duration_s", "n_windows", "ms", "short",
        "silent", "cut",
    }  # fmt: skip
    assert tuple(line["probabilities"]) == LABELS
    assert (line["file"], line["level"], line["bundle"]) == (str(path), "v5", bundle.digest)
    assert (line["duration_s"], line["n_windows"], line["short"], line["silent"]) == (3.0, 3, False, False)
    assert line["ms"] > 0


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 96_000, 192_000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_any_rate_and_width_is_taken(
    tmp_path: Path, rate_hz: int, subtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.stack([noise(1.1, rate_hz, seed=n) for n in range(3)], axis=1)
    soundfile.write(tmp_path / "a.wav", frames, rate_hz, subtype=subtype)
    code, lines, _ = classify(capsys, ["--level", "v9", tmp_path / "a.wav"])
    assert (code, len(lines)) == (0, 1)


def test_short_and_silent_clips_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one_sample = write_wav(tmp_path / "one.wav", noise(1 / 16_000, 16_000), 16_000)
    silent = write_wav(tmp_path / "silent.wav", np.zeros(32_000, np.float32), 16_000)
    code, lines, _ = classify(capsys, [one_sample, silent])
    assert code == 0
    assert [(line["short"], line["silent"]) for line in lines] == [(True, False), (False, True)]


def test_cut_data_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.flac", noise(5.0, 16_000), 16_000)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    code, (line,), errors = classify(capsys, [tmp_path / "a.flac"])
    assert (code, errors, line["cut"]) == (0, [], True)
    assert 1.0 < line["duration_s"] < 4.0


def test_bad_files_are_listed_and_the_good_ones_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_wav(tmp_path / "good.wav", noise(1.0, 16_000), 16_000)
    bad = [tmp_path / name for name in ("missing.wav", "empty.wav", "text.wav", "header.wav", "nan.wav", "low.wav")]
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is no audio.")
    (tmp_path / "header.wav").write_bytes(good.read_bytes()[:20])
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, 0.0], np.float32), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "low.wav", noise(1.0, 4_000), 4_000)
    orphan = tmp_path / f"{SESSION}-9.mp3"
    orphan.write_bytes(encode(noise(1.0, RATE_HZ), RATE_HZ, level=Level.V5))
    code, lines, errors = classify(capsys, [*bad[:3], good, *bad[3:], orphan, good])
    assert code == 1
    assert [line["file"] for line in lines] == [str(good)] * 2
    assert len(errors) == 7
    for path, error in zip([*bad, orphan], errors, strict=True):
        assert error.startswith(f"sonyc-device: {path}: ")
    assert "sample 1 is nan" in errors[4]
    assert "4000 Hz; accepted are 8000 to 192000 Hz" in errors[5]


def test_folders_are_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b/2.wav", "a.wav", "b/c/3.flac"):
        write_wav(tmp_path / name, noise(1.0, 16_000), 16_000)
    (tmp_path / "b" / "notes.txt").write_text("no audio")
    code, lines, _ = classify(capsys, [tmp_path])
    assert code == 0
    assert [Path(line["file"]).name for line in lines] == ["a.wav", "2.wav", "3.flac"]
    empty = tmp_path / "empty"
    empty.mkdir()
    code, lines, errors = classify(capsys, [empty, tmp_path / "a.wav"])
    assert (code, len(lines), len(errors)) == (1, 1, 1)


def test_real_street_clips_get_labels(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, errors = classify(capsys, ["--level", "v5", shared_data / "sonyc"])
    assert (code, len(lines), errors) == (0, 5, [])
    assert all(line["duration_s"] == pytest.approx(10.0, abs=0.1) for line in lines)


def test_unusable_bundles_are_refused_in_one_line(tmp_path: Path, default_bundle: Path) -> None:
    data = default_bundle.read_bytes()
    altered = bytearray(data)
    altered[len(data) // 2] ^= 1
    path = write_wav(tmp_path / "a.wav", noise(1.0, 16_000), 16_000)
    for name, content in (("cut", data[:-100]), ("altered", bytes(altered)), ("text", b"no bundle")):
        (tmp_path / name).write_bytes(content)
        done = run_program("classify", "--bundle", tmp_path / name, path)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert str(tmp_path / name) in done.stderr


def run_program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = unprivileged([sys.executable, "-m", "sonyc_device", *map(str, arguments)])
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_writes_nothing_but_its_lines(tmp_path: Path, classifier: Classifier) -> None:
    path = write_wav(tmp_path / "a.wav", noise(2.0, 16_000), 16_000)
    done = run_program("classify", path)
    assert (done.returncode, done.stderr) == (0, "")
    if classifier.runtime is Runtime.LITERT:
        found = classifier.score_file(path)
        assert json.loads(done.stdout)["probabilities"] == by_label(found.scores.probabilities)


@pytest.mark.parametrize("level", [Level.PCM, Level.V5])
def test_first_clip_after_the_warm_up_imports_nothing(tmp_path: Path, default_bundle: Path, level: Level) -> None:
    path = write_wav(tmp_path / "a.wav", noise(1.0, 44_100), 44_100)
    program = (
        "import sys; from pathlib import Path\n"
        "from sonyc_contract.bundle import read_bundle; from sonyc_contract.levels import Level\n"
        "from sonyc_device.classification import Classifier\n"
        "classifier = Classifier(read_bundle(Path(sys.argv[1])))\n"
        f"classifier.warm_up(level=Level('{level}'))\n"
        "loaded = set(sys.modules)\n"
        f"classifier.score_file(Path(sys.argv[2]), level=Level('{level}'))\n"
        "print(*(set(sys.modules) - loaded), '|', *loaded)"
    )
    command = [sys.executable, "-c", program, str(default_bundle), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    missing, _, loaded = done.stdout.partition("|")
    assert missing.split() == []
    assert ("pedalboard" in loaded.split()) == level.is_lossy
    assert not {"sonyc_device.config", "sonyc_contract.messages"} & set(loaded.split())


def test_a_reader_that_has_enough_causes_no_traceback(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", noise(1.0, 16_000), 16_000)
    command = f"'{sys.executable}' -m sonyc_device classify {' '.join(['a.wav'] * 5)} | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=path.parent, capture_output=True, text=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_what_may_not_be_read_is_named_and_the_rest_done(tmp_path: Path) -> None:
    write_wav(tmp_path / "open" / "a.wav", noise(1.0, 16_000), 16_000)
    write_wav(tmp_path / "closed" / "b.wav", noise(1.0, 16_000), 16_000)
    (tmp_path / "open" / "inner").mkdir(mode=0)
    (tmp_path / "closed").chmod(0)
    done = run_program("classify", tmp_path / "closed" / "b.wav", tmp_path / "closed", tmp_path / "open")
    assert done.returncode == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(tmp_path / "open" / "a.wav")]
    assert done.stderr.splitlines() == [
        f"sonyc-device: {tmp_path}/closed/b.wav: cannot be read: Permission denied",
        f"sonyc-device: {tmp_path}/closed: a folder that cannot be read",
        f"sonyc-device: {tmp_path}/open/inner: a folder that cannot be read",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_a_failure_in_one_line(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", noise(1.0, 16_000), 16_000)
    command = [sys.executable, "-m", "sonyc_device", "classify", str(path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "sonyc-device: standard output: No space left on device\n")


def test_what_libraries_print_does_not_mix_with_the_lines(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "cut.mp3", noise(3.0, 44_100), 44_100)
    whole = (tmp_path / "cut.mp3").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])  # mpg123 warns of it by itself
    done = run_program("classify", tmp_path / "cut.mp3")
    assert (done.returncode, json.loads(done.stdout)["cut"], done.stderr) == (0, True, "")


@pytest.mark.parametrize(
    "arguments", [["classify"], ["classify", "--level", "v10", "a.wav"], ["run", "--x"], [], ["fly"]]
)
def test_wrong_usage_is_exit_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
