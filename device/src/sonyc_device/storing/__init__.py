"""What reaches the disk, and for how long."""
