"""Studies of MP3 level against recognition: from a dataset to classifiers, tables and a bundle for the nodes."""

__version__ = "0.1.0"
