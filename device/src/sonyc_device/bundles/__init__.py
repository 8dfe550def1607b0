"""The bundle that is shipped with the agent."""

from pathlib import Path


def default_bundle_path() -> Path:
    """Where the shipped bundle lies."""
    return Path(__file__).parent / "default.bundle"
