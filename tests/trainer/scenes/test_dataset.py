"""Datasets on the disk: whole, resumable, byte for byte the same."""

import wave
from concurrent.futures import Executor, Future

import pytest

from sonyc_trainer.errors import DatasetError
from sonyc_trainer.execution import process_pool
from sonyc_trainer.scenes import ScenesConfig, is_complete, plan_clip, write_dataset

CONFIG = ScenesConfig(n_clips=18, n_sensors=5, seed=21)


class BreakingExecutor(Executor):
    """Does a number of tasks, then fails every further one, as when the process is killed."""

    def __init__(self, n_tasks):
        self._left = n_tasks

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        if self._left > 0:
            self._left -= 1
            future.set_result(fn(*args, **kwargs))
        else:
            future.set_exception(RuntimeError("killed"))
        return future


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def clips(folder):
    return sorted((folder / "audio").iterdir())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "whole"
    write_dataset(folder, CONFIG)
    return folder


def test_layout_is_that_of_the_published_dataset(whole):
    names = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    audio = {f"audio/{plan_clip(index, CONFIG).file_name}" for index in range(CONFIG.n_clips)}
    assert names == audio | {"annotations.csv", "dcase-ust-taxonomy.yaml", "scenes.json"}
    assert is_complete(whole, CONFIG)


def test_audio_is_10_s_of_16_bit_mono_at_44_1_khz(whole):
    for path in clips(whole):
        with wave.open(str(path)) as file:
            assert file.getparams()[:4] == (1, 2, 44_100, 441_000)


def test_progress_is_told_from_nothing_to_all(tmp_path):
    told = []
    config = CONFIG.model_copy(update={"n_clips": 10})
    write_dataset(tmp_path / "new", config, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 10), (8, 10), (10, 10)]
    told.clear()
    write_dataset(tmp_path / "new", config, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(10, 10)]


def test_an_executor_gives_the_same_bytes(whole, tmp_path):
    config = CONFIG.model_copy(update={"n_clips": 10})
    with process_pool(2) as pool:
        write_dataset(tmp_path / "processes", config, executor=pool)
    made = contents(tmp_path / "processes" / "audio")
    assert len(made) == 10
    assert made.items() <= contents(whole / "audio").items()


def test_an_interrupted_run_goes_on_and_ends_the_same(whole, tmp_path):
    folder = tmp_path / "killed"
    with pytest.raises(RuntimeError, match="killed"):
        write_dataset(folder, CONFIG, executor=BreakingExecutor(1))
    assert not is_complete(folder, CONFIG)
    assert not (folder / "annotations.csv").exists()
    first = {path: path.stat().st_mtime_ns for path in clips(folder)}
    assert len(first) == 8
    # What a kill leaves: a file under its temporary name, and one that another program cut short.
    (folder / "audio" / ".00_000003.wav.abc.part").write_bytes(b"RIFF")
    cut, *kept = first
    cut.write_bytes(cut.read_bytes()[:1_000])
    write_dataset(folder, CONFIG)
    assert contents(folder) == contents(whole)
    assert all(path.stat().st_mtime_ns == first[path] for path in kept)


def test_a_stop_from_the_keyboard_leaves_what_is_done(whole, tmp_path):
    def stop(done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "stopped", CONFIG, on_progress=stop)
    told = []
    write_dataset(tmp_path / "stopped", CONFIG, on_progress=lambda done, _: told.append(done))
    assert told[0] == 8
    assert contents(tmp_path / "stopped") == contents(whole)


def test_more_clips_keep_those_that_are_there_and_fewer_remove_the_rest(tmp_path):
    folder = tmp_path / "growing"
    small, large = (CONFIG.model_copy(update={"n_clips": n}) for n in (3, 5))
    write_dataset(folder, small)
    before = contents(folder)
    times = {path: path.stat().st_mtime_ns for path in clips(folder)}
    write_dataset(folder, large)
    assert len(clips(folder)) == 5
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    write_dataset(folder, small)
    assert contents(folder) == before


def test_other_settings_replace_what_the_generator_wrote(tmp_path):
    config = CONFIG.model_copy(update={"n_clips": 3})
    other = config.model_copy(update={"seed": 22})
    write_dataset(tmp_path / "a", config)
    write_dataset(tmp_path / "a", other)
    write_dataset(tmp_path / "b", other)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not is_complete(tmp_path / "a", config)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "annotations.csv").write_text("split,sensor_id\n")
    with pytest.raises(DatasetError, match=r"holds files that the generator did not write; name an empty folder"):
        write_dataset(tmp_path, CONFIG)
    assert contents(tmp_path) == {"annotations.csv": b"split,sensor_id\n"}


def test_a_dataset_that_lost_a_file_is_not_complete_and_is_mended(whole, tmp_path):
    config = CONFIG.model_copy(update={"n_clips": 2})
    folder = write_dataset(tmp_path / "lost", config)
    clips(folder)[0].unlink()
    assert not is_complete(folder, config)
    write_dataset(folder, config)
    assert is_complete(folder, config)
