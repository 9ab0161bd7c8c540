"""A model that stays loaded: a page whose text follows the pointer, and an API for programs."""
