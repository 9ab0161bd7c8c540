"""Tasks: what the model does with each picture under each choice of heads."""
