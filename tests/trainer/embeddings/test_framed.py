"""How clips are cut into windows for the embeddings that stay in the trainer."""

import numpy as np
import pytest

from sonyc_trainer.embeddings.framed import Features, FramedSpec, framed

SPEC = {"name": "s", "features": Features.WAVEFORM, "rate_hz": 8_000, "n_dimensions": 1}


@pytest.mark.parametrize(
    ("n_samples", "options", "starts"),
    [
        (5, {}, [0]),
        (40, {}, [0, 10, 20]),
        (45, {}, [0, 10, 20]),
        (45, {"keeps_end": True}, [0, 10, 20, 30]),
        (40, {"keeps_end": True}, [0, 10, 20]),
        (20, {"is_centred": True, "keeps_end": True}, [-10, 0]),
    ],
)
def test_windows(n_samples: int, options: dict[str, bool], starts: list[int]) -> None:
    spec = FramedSpec(**SPEC, window_samples=20, hop_samples=10, **options)
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    expected = np.array([[i + 1 if 0 <= i < n_samples else 0 for i in range(s, s + 20)] for s in starts], np.float32)
    np.testing.assert_array_equal(framed(samples, spec), expected)
