"""Embeddings: what turns a window of sound into the numbers that heads learn from."""
