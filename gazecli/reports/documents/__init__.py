"""The JSON documents: the only place where their form is written down."""
