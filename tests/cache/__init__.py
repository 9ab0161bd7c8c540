"""The cache, its files on a real disk, and what people and accidents do to them."""
