"""What storing audio costs, and what a node's card is good for: bytes, milliseconds, days, expected macro-F1."""
