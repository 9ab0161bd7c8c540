"""What is looked at: a file or a comic folder becomes a `Picture` with numbered regions.

Knows nothing of models.
"""
