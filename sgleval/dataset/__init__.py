"""Datasets: where rows come from and how they become samples."""
