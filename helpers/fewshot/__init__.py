"""The few-shot classifiers of notebook 06: SetFit, late fusion, the parts that the fast and the accurate one are made of, and how all are judged."""

from helpers.fewshot.classifiers import build_parts, large_encoder, variants
from helpers.fewshot.fusion import FusedClassifier, log_pool
from helpers.fewshot.judging import Judging, result_table
from helpers.fewshot.setfit import SetFit, encoder_to_tune

__all__ = [
    "FusedClassifier",
    "Judging",
    "SetFit",
    "build_parts",
    "encoder_to_tune",
    "large_encoder",
    "log_pool",
    "result_table",
    "variants",
]
