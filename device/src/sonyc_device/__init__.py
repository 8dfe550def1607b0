"""The agent of a street-noise node: records, stores, classifies and publishes labels.

A linear pipeline of stages, each in the module named for it, wired in `agent.py`. Importing this package is
cheap; audio, MQTT and model libraries are imported by the functions that use them.
"""

__version__ = "0.1.0"
