"""Steering: point heads at a region, change it while the model writes, or track the heads unsteered."""
