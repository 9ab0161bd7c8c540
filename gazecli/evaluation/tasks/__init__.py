"""What the model is asked to do with each picture under each choice of heads."""
