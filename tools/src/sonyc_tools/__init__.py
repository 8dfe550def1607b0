"""Workstation commands around the sensor."""

__version__ = "0.1.0"
