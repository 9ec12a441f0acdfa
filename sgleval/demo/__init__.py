"""The small model that ships with sgleval, and the documents that it was trained to read."""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
"""The model's folder; `--model demo` serves it."""
