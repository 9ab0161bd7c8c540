"""Figures for papers and pages, one file a subject: data in, a matplotlib figure out.

Knows nothing of models, of where files go or of what a page looks like around a figure.
"""
