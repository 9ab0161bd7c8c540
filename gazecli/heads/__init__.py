"""Which heads: a model and comics become a head set.

Knows nothing of steering, reports or the command line.
"""
