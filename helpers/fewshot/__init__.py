"""The few-shot classifiers of notebook 06: SetFit, late fusion, and the parts that the fast and the accurate one are made of."""

from helpers.fewshot.classifiers import build_parts, variants
from helpers.fewshot.fusion import FusedClassifier, log_pool
from helpers.fewshot.setfit import SetFit

__all__ = [
    "FusedClassifier",
    "SetFit",
    "build_parts",
    "log_pool",
    "variants",
]
