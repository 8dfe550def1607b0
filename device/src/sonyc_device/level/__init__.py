"""Sound level: weightings, third-octave bands, the meter, and its calibration."""
