"""From a microphone, or from files in its place, to clips."""
