"""The seam for parallel work over a Dask cluster: one that is running, or one made on this machine for the run.

Its workers must see the study's folder and the audio under the same paths, and have this package installed; one thread
each (`dask worker --nthreads 1`), because a TensorFlow session and a redirected standard output are a whole process's.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sonyc_trainer.errors import StageError
from sonyc_trainer.execution import ONE_THREAD, n_cores

ExecutorFactory = Callable[[], AbstractContextManager[Executor]]

_ADDRESS: Final = re.compile(r"local(?::(?P<n>[1-9]\d{0,3}))?|(tcp|tls|ws|wss)://[^/\s:]+:\d+")
_CONNECT_S: Final = 20


def is_dask_address(text: str) -> bool:
    """Whether a text is `local`, `local:N` or a scheduler's address such as `tcp://host:8786`."""
    return _ADDRESS.fullmatch(text) is not None


@contextmanager
def dask_cluster(address: str) -> Iterator[ExecutorFactory]:
    """Connect to a cluster, and give what opens an executor on it; work that is under way is cancelled at the end.

    Args:
        address: As `is_dask_address` wants it.

    Raises:
        StageError: no scheduler answers there, or it has no workers, or Dask is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise StageError("--dask needs the package distributed: pip install 'sonyc-trainer[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its workers' farewells are no news to a researcher
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # an embedding's weights, 19 MB, sent once
        with _cluster(distributed, address) as scheduler, _client(distributed, address, scheduler) as client:

            @contextmanager
            def executor() -> Iterator[Executor]:
                try:
                    # Not pure: the same shard is worked on again after its results were deleted.
                    yield client.get_executor(pure=False)
                except distributed.KilledWorker as error:
                    raise StageError(f"--dask {address}: workers died at a task (out of memory?): {error}") from error

            yield executor


@contextmanager
def _cluster(distributed: Any, address: str) -> Iterator[Any]:
    """Give what a client connects to: the address, or a cluster made here."""
    local = _ADDRESS.fullmatch(address)
    if local is None or not address.startswith("local"):
        yield address
        return
    n_workers = int(local["n"] or n_cores())
    with distributed.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,  # the study's shards bound it; Dask would pause or kill by the machine's share
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        env=dict(ONE_THREAD),
    ) as cluster:
        yield cluster


@contextmanager
def _client(distributed: Any, address: str, scheduler: Any) -> Iterator[Any]:
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except (OSError, TimeoutError) as error:
        raise StageError(f"--dask {address}: no scheduler with a worker answers there within {_CONNECT_S} s") from error
    try:
        yield client
    finally:
        client.close()
