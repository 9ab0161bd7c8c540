"""Find the attention heads through which a vision-language model looks, and point them.

    import gazecli as gaze

    vlm = gaze.load("tiny")                                  # or attach(model, processor)
    headset = gaze.discover(vlm, "comics/")                  # which heads look where they are asked to?
    answer = gaze.steer(vlm, "strip.png", region=3, heads=headset)
    answer.text, answer.attention_steered                    # in a notebook, `answer` shows its page

models      load, attach, list_models, doctor; VLM.prepare, VLM.steered, VLM.watched
comics      comics.make, comics.check, comics.fetch, comics.open
heads       discover, discover_text, HeadSet.load, HeadSet.save; push, pull, list_headsets
steering    steer, steer_regions, steer_many, switch, track, heatmap
evidence    evaluate, judge, report
serving     serve

A model may be a loaded one or a name, a picture a path, a Pillow image or an array, a region a number or a
text, heads a head set, its digest or file, pairs or "3.4,3.5". Results have document(), save(), to_frame()
and plot(). Errors are GazeErrors: message, subject, hint. docs/python.md shows every task.

Names are imported when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gazecli.version import VERSION as __version__

if TYPE_CHECKING:
    from gazecli.api import comics
    from gazecli.api.evaluate import evaluate
    from gazecli.api.evaluation import Evaluation
    from gazecli.api.judging import judge
    from gazecli.api.machine import doctor, list_models
    from gazecli.api.report import Report, report
    from gazecli.errors import GazeError
    from gazecli.heads.discover import discover, discover_text
    from gazecli.heads.headset import Head, HeadSet, Selection
    from gazecli.heads.headset_store import pull
    from gazecli.heads.hub_listing import list_headsets
    from gazecli.models.attach import attach
    from gazecli.models.load import load
    from gazecli.models.token_maps.image_tokens import ImageLayout
    from gazecli.models.vlm import VLM
    from gazecli.pictures.comics.dataset import fetch_comics
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region
    from gazecli.reports.results import heatmap
    from gazecli.serving.server import serve
    from gazecli.sharing.push import push
    from gazecli.steering.jobs import Job, JobResult, steer_many
    from gazecli.steering.schedule import Schedule
    from gazecli.steering.settings import SteerSettings
    from gazecli.steering.steer import Answer, Steering, steer, steer_regions
    from gazecli.steering.switch import Narration, switch
    from gazecli.steering.track import Tracking, track

_HOMES = {
    "attach": "gazecli.models.attach",
    "Evaluation": "gazecli.api.evaluation",
    "Report": "gazecli.api.report",
    "doctor": "gazecli.api.machine",
    "evaluate": "gazecli.api.evaluate",
    "heatmap": "gazecli.reports.results",
    "list_models": "gazecli.api.machine",
    "judge": "gazecli.api.judging",
    "report": "gazecli.api.report",
    "Answer": "gazecli.steering.steer",
    "GazeError": "gazecli.errors",
    "Head": "gazecli.heads.headset",
    "HeadSet": "gazecli.heads.headset",
    "ImageLayout": "gazecli.models.token_maps.image_tokens",
    "Job": "gazecli.steering.jobs",
    "JobResult": "gazecli.steering.jobs",
    "Narration": "gazecli.steering.switch",
    "Picture": "gazecli.pictures.picture",
    "Region": "gazecli.pictures.regions",
    "Schedule": "gazecli.steering.schedule",
    "Selection": "gazecli.heads.headset",
    "SteerSettings": "gazecli.steering.settings",
    "Steering": "gazecli.steering.steer",
    "Tracking": "gazecli.steering.track",
    "VLM": "gazecli.models.vlm",
    "discover": "gazecli.heads.discover",
    "discover_text": "gazecli.heads.discover",
    "fetch_comics": "gazecli.pictures.comics.dataset",
    "list_headsets": "gazecli.heads.hub_listing",
    "load": "gazecli.models.load",
    "pull": "gazecli.heads.headset_store",
    "push": "gazecli.sharing.push",
    "serve": "gazecli.serving.server",
    "steer": "gazecli.steering.steer",
    "steer_many": "gazecli.steering.jobs",
    "steer_regions": "gazecli.steering.steer",
    "switch": "gazecli.steering.switch",
    "track": "gazecli.steering.track",
}

__all__ = [
    "VLM",
    "Answer",
    "Evaluation",
    "GazeError",
    "Head",
    "HeadSet",
    "ImageLayout",
    "Job",
    "JobResult",
    "Narration",
    "Picture",
    "Region",
    "Report",
    "Schedule",
    "Selection",
    "SteerSettings",
    "Steering",
    "Tracking",
    "__version__",
    "attach",
    "comics",
    "discover",
    "discover_text",
    "doctor",
    "evaluate",
    "fetch_comics",
    "heatmap",
    "judge",
    "list_headsets",
    "list_models",
    "load",
    "pull",
    "push",
    "report",
    "serve",
    "steer",
    "steer_many",
    "steer_regions",
    "switch",
    "track",
]


def __getattr__(name: str) -> Any:
    if name == "comics":
        return import_module("gazecli.api.comics")
    if name not in _HOMES:
        raise AttributeError(f"module 'gazecli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
