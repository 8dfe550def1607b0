"""The sensors: where each hangs, what its street sounds like, and what its microphone does to that."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from sonyc_trainer.scenes.noise import Spectrum
from sonyc_trainer.scenes.settings import Rng, Stream, random_stream


class Site(StrEnum):
    """What surrounds a sensor."""

    AVENUE = "avenue"
    SIDE_STREET = "side-street"
    PARK = "park"
    SQUARE = "square"
    COURTYARD = "courtyard"


@dataclass(frozen=True)
class SiteCharacter:
    """What a site sounds like.

    Attributes:
        traffic: Vehicles that pass in ten seconds at the busiest hour.
        level_dbfs: Range of the steady background.
        birds: Chance of birds in a clip by day.
        reverberation_s: Range of the reverberation time.
        hum_db: Range of machines' hum relative to the background.
    """

    traffic: float
    level_dbfs: tuple[float, float]
    birds: float
    reverberation_s: tuple[float, float]
    hum_db: tuple[float, float]


SITES: Final = {
    Site.AVENUE: SiteCharacter(1.8, (-40, -34), 0.02, (0.3, 0.7), (-24, -14)),
    Site.SIDE_STREET: SiteCharacter(0.7, (-46, -38), 0.1, (0.3, 0.8), (-22, -8)),
    Site.PARK: SiteCharacter(0.25, (-48, -41), 0.5, (0.1, 0.25), (-30, -20)),
    Site.SQUARE: SiteCharacter(0.9, (-43, -37), 0.15, (0.4, 1.0), (-26, -16)),
    Site.COURTYARD: SiteCharacter(0.15, (-48, -42), 0.2, (0.6, 1.2), (-14, -3)),
}


@dataclass(frozen=True)
class Sensor:
    """One sensor.

    Attributes:
        sensor_id: Its number, from 0.
        site: What surrounds it.
        borough, block, latitude, longitude: Where it hangs, as V2.3 writes it; the places are invented.
        level_dbfs: RMS of the steady background at a quiet hour.
        background: Spectrum of the steady background.
        hum_hz: Fundamental of a machine that always runs nearby.
        hum_harmonics: Amplitudes of its harmonics.
        hum_db: Level of that machine relative to the background.
        reverberation_s: Reverberation time of the street.
        response: Microphone and housing.
        floor_dbfs: RMS of the microphone's own noise.
    """

    sensor_id: int
    site: Site
    borough: int
    block: int
    latitude: float
    longitude: float
    level_dbfs: float
    background: Spectrum
    hum_hz: float
    hum_harmonics: tuple[float, ...]
    hum_db: float
    reverberation_s: float
    response: Spectrum
    floor_dbfs: float

    @property
    def character(self) -> SiteCharacter:
        """What the site sounds like."""
        return SITES[self.site]


_BOROUGHS: Final = (1, 3, 4)
_PLACE: Final = {1: (40.7300, -73.9950), 3: (40.6900, -73.9800), 4: (40.7450, -73.9200)}
_RESPONSE_HZ: Final = (20.0, 60.0, 200.0, 700.0, 2_000.0, 5_000.0, 9_000.0, 15_000.0, 22_000.0)
_STREET_HZ: Final = (20.0, 63.0, 125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0)
# Octave levels of five published street recordings, averaged and brought to densities (3 dB an octave less).
_STREET_DB: Final = (0.0, 0.0, -4.0, -8.0, -13.0, -18.0, -24.0, -31.0, -41.0, -50.0)


@lru_cache(maxsize=256)
def draw_sensor(seed: int, sensor_id: int) -> Sensor:
    """Draw one sensor of a network; it does not depend on how many there are."""
    rng = random_stream(seed, Stream.SENSOR, sensor_id)
    site = list(Site)[(sensor_id + int(rng.integers(2))) % len(Site)]
    character = SITES[site]
    borough = int(rng.choice(_BOROUGHS))
    latitude, longitude = _PLACE[borough]
    return Sensor(
        sensor_id=sensor_id,
        site=site,
        borough=borough,
        block=int(rng.integers(100, 2000)),
        latitude=round(latitude + rng.uniform(-0.02, 0.02), 5),
        longitude=round(longitude + rng.uniform(-0.02, 0.02), 5),
        level_dbfs=rng.uniform(*character.level_dbfs),
        background=Spectrum(_STREET_HZ, tuple(db + rng.normal(0, 2.5) for db in _STREET_DB)),
        hum_hz=float(rng.choice((60.0, 120.0, rng.uniform(25, 90)))),
        hum_harmonics=tuple(rng.random() ** 2 / k for k in range(1, 9)),
        hum_db=rng.uniform(*character.hum_db),
        reverberation_s=rng.uniform(*character.reverberation_s),
        response=_draw_response(rng),
        floor_dbfs=rng.uniform(-78, -66),
    )


def _draw_response(rng: Rng) -> Spectrum:
    ends = (-14.0, -4.0, 0.0, 0.0, 0.0, 1.0, 0.0, -4.0, -12.0)
    return Spectrum(_RESPONSE_HZ, tuple(db + rng.normal(0, 1.5) for db in ends))
