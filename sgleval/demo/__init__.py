"""The small model that ships with sgleval."""
