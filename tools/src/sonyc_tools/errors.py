"""The errors of the workstation commands.

ToolsError
├── BrokerError     the demo's embedded broker did not start
├── FolderError     a folder for results cannot be used
└── ProcessError    a program that a command drives ended with an error
"""


class ToolsError(Exception):
    """Root of every error of the workstation commands; its message is one line for a person."""


class BrokerError(ToolsError):
    """The demo's embedded broker did not start."""


class FolderError(ToolsError):
    """A folder for results cannot be used."""


class ProcessError(ToolsError):
    """A program that a command drives ended with an error."""
