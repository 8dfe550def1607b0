"""What node, trainer and tools must agree on, written down once.

Levels, labels, codec, front end, recogniser, bundle and messages. Importing this package needs numpy, pydantic and
the standard library only; scipy, soxr, soundfile, pedalboard and the TFLite runtimes are imported by the functions
that use them.
"""

__version__ = "0.1.0"
