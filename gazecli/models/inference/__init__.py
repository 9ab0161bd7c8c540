"""Forward passes: shared prefixes, batches of questions, the generation loop."""
