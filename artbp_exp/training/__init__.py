"""From a method to a run: the gradient of given draws, the trainer, and the experiment that holds them."""
