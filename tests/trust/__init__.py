"""What a stranger may hand in, and what must not come of it."""
