"""Statistics of a study as pure functions: counts per recording, intervals, tests of difference, calibration."""
