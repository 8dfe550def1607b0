"""The errors of the contract.

ContractError
├── AudioError            a file or an array that is not usable audio
├── LevelError            not a level, or a level that is not served here
├── CodecError            what was to be encoded or decoded cannot be
├── FrontendError         a front end that is not defined, or does not fit the model
├── ConfigError           a TOML file with an unknown key, a wrong type or a value out of range
├── ModelError            a TFLite file or its runtime cannot be used
└── BundleError           not a bundle that can be used here
    ├── DigestMismatchError   altered or cut short
    ├── BundleVersionError    written by something newer
    └── GoldenMismatchError   the self-test gave other probabilities than those in the bundle
"""


class ContractError(Exception):
    """Root of every error that the contract raises; its message is one line for a person."""

    def __init__(self, message: str) -> None:
        # What is quoted in a message (a path, a library's words) may hold line feeds.
        super().__init__(" ".join(message.splitlines()))


class AudioError(ContractError):
    """A file or an array is not usable audio."""


class LevelError(ContractError):
    """Not a level, or a level that is not served here."""


class CodecError(ContractError):
    """Samples that cannot be encoded, or bytes that cannot be decoded."""


class FrontendError(ContractError):
    """A front end that is not defined, or that does not fit the model."""


class ConfigError(ContractError):
    """A configuration file with an unknown key, a wrong type or a value out of range."""


class ModelError(ContractError):
    """A TFLite file or the runtime for it cannot be used."""


class BundleError(ContractError):
    """Not a bundle that can be used here."""


class DigestMismatchError(BundleError):
    """The bytes are not those that were written: altered or cut short."""


class BundleVersionError(BundleError):
    """The bundle was written for a newer schema than this program reads."""


class GoldenMismatchError(BundleError):
    """The self-test gave other probabilities than those in the bundle."""
