"""The errors of the agent.

DeviceError
├── CaptureError          the microphone or the files do not deliver
│   └── CaptureStalledError   the device is open, but no sample has come for too long
├── StoreError            a clip cannot be written
│   └── StoreFullError        there is no room for it under the limits that are set
├── OutboxError           a label cannot be kept for publishing
│   └── OutboxVersionError    the outbox was made by a newer agent
├── CommandError          what was commanded cannot be kept
├── MessengerError        the broker is not reached, refuses, or is lost
├── StatusError           what the agent is doing cannot be found out
│   └── NotRunningError       no agent runs
├── CalibrationError      no calibrator is heard, or calibrations cannot be read or written
├── TooSlowError          this machine cannot keep up with its configuration
├── InstallationError     the agent cannot be made a service here
├── TooLittleHeardError   too few clips were heard to propose anything
└── AgentRunningError     another agent uses the same state folder
"""


class DeviceError(Exception):
    """Root of every error that the agent raises; its message is one line for a person."""


class CaptureError(DeviceError):
    """The microphone or the files do not deliver."""


class CaptureStalledError(CaptureError):
    """The device is open, but no sample has come for too long."""


class CalibrationError(DeviceError):
    """No calibrator is heard, or calibrations cannot be read or written."""


class StoreError(DeviceError):
    """A clip cannot be written."""


class StoreFullError(StoreError):
    """There is no room for a clip under the limits that are set."""


class OutboxError(DeviceError):
    """A label cannot be kept for publishing."""


class OutboxVersionError(OutboxError):
    """The outbox was made by a newer agent; it is left alone."""


class CommandError(DeviceError):
    """What was commanded cannot be kept."""


class MessengerError(DeviceError):
    """The broker is not reached, refuses, or is lost."""


class AgentRunningError(DeviceError):
    """Another agent uses the same state folder."""


class StatusError(DeviceError):
    """What the agent is doing cannot be found out."""


class NotRunningError(StatusError):
    """No agent runs with this state folder."""


class InstallationError(DeviceError):
    """The agent cannot be made a service here."""


class TooLittleHeardError(DeviceError):
    """Too few clips were heard to propose anything."""


class TooSlowError(DeviceError):
    """This machine cannot keep up with its configuration."""
