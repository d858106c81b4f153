"""The classifier to take away (end of 06): saved as a folder, loaded anywhere, calibrated, and able to say why.

`python -m helpers.takeaway` classifies a table or opens the page. `calibration`, `card`, `reasons`, `pictures` and `page` are used as modules. What
predicts with the fast classifier needs no torch, so figures and page are imported when they are asked for.
"""

import importlib

from helpers.takeaway import calibration, card, reasons
from helpers.takeaway.classifier import GenreClassifier

__all__ = ["GenreClassifier", "calibration", "card", "reasons"]


def __getattr__(name: str):
    if name in ("page", "pictures"):
        return importlib.import_module(f"helpers.takeaway.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
