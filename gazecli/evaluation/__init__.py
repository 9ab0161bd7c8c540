"""Does steering work? Responses are judged, measured, and compared with chance and with other heads."""
