"""The live page: the model in the box, its picture drawing and all that runs them, in one HTML file."""
