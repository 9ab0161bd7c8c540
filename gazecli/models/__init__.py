"""Who looks: a name becomes a checkpoint, its processor, its token map and its attention.

Knows nothing of comics, scores or head sets.
"""
