"""Datasets: where rows come from and how they become samples."""

from sgleval.dataset.dataset import Dataset

__all__ = ["Dataset"]
