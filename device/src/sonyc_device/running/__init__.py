"""How the agent runs as a service: what it tells who started it, and what it answers who asks."""
