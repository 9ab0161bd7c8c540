"""Look there: a model, a picture, heads and a target become an answer.

Knows nothing of comics folders, reports or the command line.
"""
