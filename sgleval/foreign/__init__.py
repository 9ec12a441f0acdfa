"""Scoring what others produced: a file of predictions, with answers in it or beside it."""

from sgleval.foreign.columns import Columns
from sgleval.foreign.score import score_file

__all__ = ["Columns", "score_file"]
