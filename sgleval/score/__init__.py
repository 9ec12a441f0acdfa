"""Scoring in frames: predictions and metrics → scores → the summary."""

from sgleval.score.calibration import calibration
from sgleval.score.efficiency import efficiency
from sgleval.score.groups import CATEGORY
from sgleval.score.options import as_options
from sgleval.score.robustness import robustness
from sgleval.score.scores import SCORES, score
from sgleval.score.shortcuts import shortcuts
from sgleval.score.summary import summarize

__all__ = [
    "CATEGORY",
    "SCORES",
    "as_options",
    "calibration",
    "efficiency",
    "robustness",
    "score",
    "shortcuts",
    "summarize",
]
