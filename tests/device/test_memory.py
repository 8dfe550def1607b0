"""What is freed is kept, so that the next clip finds it."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from sonyc_device.memory import keep_freed_memory

def n_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    return [np.ones(500_000, np.float32) for _ in range(8)]

assert keep_freed_memory()
work()
before = n_faults()
for _ in range(20):
    work()
print(n_faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_is_not_fetched_again_from_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1_000  # one round has 3,900 pages
