"""How large the fault suite's figures are: the short form is part of every full test run, the long one is asked for."""

import os
from typing import Final

LONG: Final = os.environ.get("SONYC_FAULTS", "short") == "long"


def figure(short: int, long: int) -> int:
    """Give the figure of the form that runs."""
    return long if LONG else short
