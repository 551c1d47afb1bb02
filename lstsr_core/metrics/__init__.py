"""How alike two images are: pixel by pixel, in gradients, in the Fourier domain, to the eye."""
