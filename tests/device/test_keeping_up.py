"""Whether a machine keeps up: measured on the real path, judged with the figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from sonyc_contract.audio import FloatArray
from sonyc_contract.bundle import EMBEDDING, read_bundle
from sonyc_contract.recognise import Embedder
from sonyc_contract.runtime import Interpreter, open_interpreter
from sonyc_device.classification import Classifier
from sonyc_device.config import CaptureSettings, NodeConfig
from sonyc_device.errors import TooSlowError
from sonyc_device.keeping_up import Speed, measure_speed, recorded_share, require_speed


class SlowClock:
    """A clock that only the slow model turns."""

    s = 0.0

    def __call__(self) -> float:
        return self.s


class SlowInterpreter:
    """A model that takes `takes_s` for each batch."""

    def __init__(self, interpreter: Interpreter, clock: SlowClock) -> None:
        self._interpreter = interpreter
        self._clock = clock
        self.takes_s = 0.0
        self.n_runs = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._interpreter.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self._interpreter.output_shape

    def run(self, batch: FloatArray) -> FloatArray:
        self._clock.s += self.takes_s
        self.n_runs += 1
        return self._interpreter.run(batch)


def config_of(**capture: object) -> NodeConfig:
    return NodeConfig(node_id="n", capture=CaptureSettings.model_validate({"clip_s": 2.0, **capture}))


def measured(default_bundle: Path, takes_s: float, config: NodeConfig) -> Speed:
    bundle = read_bundle(default_bundle)
    classifier, clock = Classifier(bundle), SlowClock()
    model = SlowInterpreter(open_interpreter(bundle.members[EMBEDDING]), clock)
    classifier.recogniser = replace(classifier.recogniser, embedder=Embedder(bundle.manifest.embedding, model))
    measure_speed(classifier, config, clock_s=clock)  # once, because it takes no time yet
    model.takes_s = takes_s / model.n_runs
    return measure_speed(classifier, config, clock_s=clock)


def test_model_slower_than_real_time_is_refused_with_the_figures(default_bundle: Path) -> None:
    config = config_of()
    speed = measured(default_bundle, 2.5, config)
    assert speed.took_s == pytest.approx(2.5)
    with pytest.raises(TooSlowError, match=r"at level 'v5' 2 s of audio take 2\.5 s, 125\.0 % of the time"):
        require_speed(speed, config)


def test_model_that_keeps_up_is_not_refused(default_bundle: Path) -> None:
    config = config_of()
    speed = measured(default_bundle, 1.5, config)
    assert speed.load == pytest.approx(0.75)
    require_speed(speed, config)


def test_gaps_between_clips_leave_time(default_bundle: Path) -> None:
    config = config_of(mode="sampled", duty_cycle=0.25)
    assert recorded_share(config.capture) == pytest.approx(0.25)
    speed = measured(default_bundle, 2.5, config)
    assert speed.load == pytest.approx(2.5 / 2 * 0.25)
    require_speed(speed, config)


@pytest.mark.parametrize("what", ["stored", "pcm"])
def test_this_machine_keeps_up(what: str, default_bundle: Path) -> None:
    config = NodeConfig.model_validate({"node_id": "n", "classify": {"what": what}})
    speed = measure_speed(Classifier(read_bundle(default_bundle)), config)
    assert speed.took_s > 0
    require_speed(speed, config)
