"""What the node says, and what it is told."""
