"""Chooses the parts of storing that a configuration asks for."""

import logging
from dataclasses import replace
from pathlib import Path

from sonyc_contract.errors import ConfigError
from sonyc_device.clock import Clock
from sonyc_device.config import StoreMode, StoreSettings
from sonyc_device.errors import StoreError
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Sealer, make_form
from sonyc_device.storing.space import free_bytes, total_bytes
from sonyc_device.storing.store import ClipStore, Place

_LOGGER = logging.getLogger(__name__)


def make_store(settings: StoreSettings, *, state_folder: Path, clock: Clock) -> ClipStore:
    """Make a store; in mode `none` too, because clips of earlier days have a retention.

    Raises:
        ConfigError: a recipient is none that age knows, or the clips' folder is the state folder.
        StoreError: clips are to be sealed, but pyrage is not installed; or no disk of this size has such a reserve.
    """
    if settings.folder == state_folder:
        raise ConfigError(f"store.folder = '{settings.folder}' is the state folder: name another, such as one in it")
    place = Place(settings.folder, state_folder)
    return ClipStore(place, _attainable(settings), clock, form=make_form(settings))


def check_store(settings: StoreSettings) -> str:
    """Say how clips will be kept, without writing one.

    Raises:
        ConfigError: a recipient is none that age knows.
        StoreError: they cannot be kept so.
    """
    form = make_form(settings)
    limits = _attainable(settings)
    try:
        free = free_bytes(settings.folder)
    except OSError as error:
        raise StoreError(f"{settings.folder}: {error.strerror or error}") from error
    said = f"sealed to {len(form.fingerprints)} recipient(s)" if isinstance(form, Sealer) else "in clear"
    return f"{said}; {free} bytes are free, of which {limits.reserve_bytes} stay so"


def _attainable(settings: StoreSettings) -> Limits:
    """Give the limits; a reserve that the disk cannot have would cost every clip that there is."""
    limits = Limits.of(settings)
    try:
        total = total_bytes(settings.folder)
    except OSError:  # writing will say it
        return limits
    if limits.reserve_bytes < total:
        return limits
    told = f"store.reserve_bytes = {limits.reserve_bytes}, but the disk of {settings.folder} holds {total} bytes"
    if settings.mode is not StoreMode.NONE:
        raise StoreError(f"{told}: lower it")
    _LOGGER.warning("%s: nothing is kept free", told)
    return replace(limits, reserve_bytes=0)
