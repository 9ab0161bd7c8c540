"""Who says which region an answer describes: words, the model itself, or another model."""
