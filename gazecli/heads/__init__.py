"""Which heads: a model and comics become a head set."""
