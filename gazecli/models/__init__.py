"""Models: how checkpoints are found and loaded, token maps, attention, inference, and checks of a model."""
