"""Datasets, a module per format; each lists the clips of a folder and never reads audio."""
