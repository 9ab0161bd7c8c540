"""Token maps: which pixels each image token looks at, family by family.

A map is a function from the prepared inputs to views, registered for its processor class.
"""
