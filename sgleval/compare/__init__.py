"""Comparison of variants and of runs on the samples that all of them answered."""

from sgleval.compare.factors import factors_of
from sgleval.compare.runs import Tables, compare_runs
from sgleval.compare.variants import compare_variants

__all__ = ["Tables", "compare_runs", "compare_variants", "factors_of"]
