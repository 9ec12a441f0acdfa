"""Scoring in frames: predictions and metrics → scores → the summary."""

from sgleval.score.calibration import calibration
from sgleval.score.efficiency import efficiency
from sgleval.score.scores import SCORES, score
from sgleval.score.summary import summarize

__all__ = ["SCORES", "calibration", "efficiency", "score", "summarize"]
