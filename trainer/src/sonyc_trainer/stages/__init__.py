"""The stages of a study, one module each; they meet in the files of the study's folder and never import one another.

Each module has `run(folder, context)`, which reads the results of earlier stages and writes its own whole.
"""
