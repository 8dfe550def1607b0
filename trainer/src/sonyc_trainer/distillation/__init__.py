"""Distillation of `compact`: a small network learns what a large one, its teacher, makes of a sound.

The teacher's own layers are where it begins: some of their channels, and the rest refitted (`pruning`). Then it learns
to give the teacher's embedding of mixtures of training clips (`mixtures`, `learning`).
"""
