"""The errors of the workstation commands.

ToolsError
├── BenchError      the benchmark cannot measure what it was asked to
├── BrokerError     the demo's embedded broker did not start
├── FolderError     a folder for results cannot be used
├── KeyFileError    a key file cannot be used
├── UnsealError     a sealed clip cannot be opened
└── ProcessError    a program that a command drives ended with an error
"""


class ToolsError(Exception):
    """Root of every error of the workstation commands; its message is one line for a person."""


class BenchError(ToolsError):
    """The benchmark cannot measure what it was asked to."""


class BrokerError(ToolsError):
    """The demo's embedded broker did not start."""


class FolderError(ToolsError):
    """A folder for results cannot be used."""


class KeyFileError(ToolsError):
    """A key file cannot be used."""


class UnsealError(ToolsError):
    """A sealed clip cannot be opened."""


class ProcessError(ToolsError):
    """A program that a command drives ended with an error."""
