"""What the doctor checks: the token map, attention and the last token of a loaded model."""
