"""Metrics: pure functions of an answer and the accepted answers."""
