"""Judges: captions, the model itself, or another model decide which region an answer describes."""
