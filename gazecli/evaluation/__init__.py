"""Did it work? Steered answers are judged, counted, and set beside what chance and other heads reach.

Knows nothing of documents or of the command line.
"""
