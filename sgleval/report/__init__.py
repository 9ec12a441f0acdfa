"""Reports: what a run shows a person."""
