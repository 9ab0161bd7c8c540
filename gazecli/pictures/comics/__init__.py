"""Comics: a folder in one of four layouts becomes strips."""
