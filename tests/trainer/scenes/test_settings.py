"""Settings of the generator: defaults, limits, digests, and streams that do not depend on each other."""

import subprocess
import sys

import numpy as np
import pytest

from sonyc_contract.errors import ConfigError
from sonyc_trainer.scenes.settings import ScenesConfig, Stream, random_stream, scenes_config


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"n_clips": 0}, ("n_clips", "greater than or equal to 1", "it is 0")),
        ({"n_clips": "many"}, ("n_clips", "valid integer", "'many'")),
        ({"n_sensors": 101}, ("n_sensors", "less than or equal to 100", "101")),
        ({"seed": -1}, ("seed", "-1")),
        ({"verified_fraction": 1.5}, ("verified_fraction", "1.5")),
        ({"n_clip": 3}, ("unknown key 'n_clip'",)),
        (
            {"multi_label_fraction": 0.7, "none_fraction": 0.4},
            ("multi_label_fraction + none_fraction", "1.1", "at most 1"),
        ),
        ({"snr_low_db": 10, "snr_high_db": 3}, ("snr_low_db = 10", "snr_high_db = 3")),
        ({"snr_low_db": float("nan")}, ("snr_low_db",)),
    ],
)
def test_options_out_of_range_are_named(options, parts):
    with pytest.raises(ConfigError) as caught:
        scenes_config(**options)
    message = str(caught.value)
    assert message.startswith("scenes: ")
    assert "\n" not in message
    assert all(part in message for part in parts), message


def test_digest_covers_every_setting_and_the_recipe_all_but_the_number_of_clips():
    plain = ScenesConfig()
    others = [
        ScenesConfig(n_sensors=3), ScenesConfig(seed=2), ScenesConfig(verified_fraction=0.5),
        ScenesConfig(multi_label_fraction=0.5), ScenesConfig(none_fraction=0.5), ScenesConfig(snr_low_db=1),
        ScenesConfig(snr_high_db=20),
    ]  # fmt: skip
    longer = ScenesConfig(n_clips=plain.n_clips + 1)
    assert len({config.digest for config in (plain, longer, *others)}) == len(others) + 2
    assert len({config.recipe_digest for config in (plain, *others)}) == len(others) + 1
    assert longer.recipe_digest == plain.recipe_digest


def test_streams_of_different_keys_differ_and_of_the_same_agree():
    def first(*keys):
        return random_stream(7, *keys).random(4)

    assert np.array_equal(first(Stream.EVENT, 3, 0), first(Stream.EVENT, 3, 0))
    distinct = {tuple(first(*keys)) for keys in [(Stream.EVENT, 3, 0), (Stream.EVENT, 3, 1), (Stream.PLAN, 3)]}
    assert len(distinct) == 3


def test_import_pulls_in_no_scipy():
    code = "import sys, sonyc_trainer.scenes; print([m for m in ('scipy', 'tensorflow', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
