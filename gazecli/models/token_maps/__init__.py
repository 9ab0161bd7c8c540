"""Where each image token looks, family by family.

A family is a function from the prepared inputs to views, registered for its processor class. Knows
nothing of prompts, heads or regions.
"""
