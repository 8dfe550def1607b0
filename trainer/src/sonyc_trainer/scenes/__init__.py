"""Synthetic street scenes in SONYC-UST's published format, for the demo, for tests and for trying a study out.

A clip is drawn first (`plan_clip`: sensor, time, events), then rendered (`render_clip`); `write_dataset` writes many
with their annotations. Figures that were reached on these scenes say nothing about real streets.
"""

from sonyc_trainer.scenes.dataset import is_complete, write_dataset
from sonyc_trainer.scenes.plan import Event, Moment, Proximity, SceneSpec, plan_clip
from sonyc_trainer.scenes.rendering import Scene, render_clip
from sonyc_trainer.scenes.settings import ScenesConfig, scenes_config

__all__ = [
    "Event",
    "Moment",
    "Proximity",
    "Scene",
    "SceneSpec",
    "ScenesConfig",
    "is_complete",
    "plan_clip",
    "render_clip",
    "scenes_config",
    "write_dataset",
]
