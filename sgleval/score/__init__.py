"""Scoring in frames: predictions and metrics → scores → the summary."""

from sgleval.score.calibration import calibration
from sgleval.score.correct import Judged, can_tell, joined, judged
from sgleval.score.efficiency import efficiency
from sgleval.score.groups import CATEGORY
from sgleval.score.options import as_options
from sgleval.score.robustness import robustness
from sgleval.score.scores import SCORES, is_whole, score
from sgleval.score.shortcuts import shortcuts
from sgleval.score.summary import grouping_tags, merged, summarize
from sgleval.score.sums import Scope, Sums

__all__ = [
    "CATEGORY",
    "SCORES",
    "Judged",
    "Scope",
    "Sums",
    "as_options",
    "calibration",
    "can_tell",
    "efficiency",
    "grouping_tags",
    "is_whole",
    "joined",
    "judged",
    "merged",
    "robustness",
    "score",
    "shortcuts",
    "summarize",
]
