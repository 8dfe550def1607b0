"""TensorFlow as the trainer uses it: quiet, deterministic, with a fixed number of threads."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sonyc_trainer.quiet import output_to

N_THREADS: Final = 2
"""Fixed, whatever the machine has: sums are split by thread, so another number gives other bits."""

_ONE_AT_A_TIME: Final = threading.Lock()


@contextmanager
def tensorflow_session(*, seed: int, log: Path) -> Iterator[Any]:
    """Give the module `tensorflow`, freshly seeded; what it says on its way goes to `log`.

    TensorFlow and its converter write to the process's standard output and error from C++; both are led to the file
    meanwhile. The same work after the same seed gives the same bits on the same kind of machine; seeds are the whole
    process's, so its threads take turns.

    Args:
        seed: Of TensorFlow, NumPy and Python.
        log: Text is added at its end.

    Raises:
        RuntimeError: TensorFlow was started in this process with other threads.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _ONE_AT_A_TIME, output_to(log), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 2.15 itself uses what Python 3.11 deprecates
        import tensorflow as tf

        _fix_threads(tf)
        tf.config.experimental.enable_op_determinism()
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(seed)
        yield tf


def _fix_threads(tf: Any) -> None:
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != N_THREADS:
        threading.set_intra_op_parallelism_threads(N_THREADS)
        threading.set_inter_op_parallelism_threads(1)
