"""What the notebooks call: the parameters of each, its steps and its figures, and their order."""
