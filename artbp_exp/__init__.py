"""ARTBP: truncated backpropagation through time without bias, and the experiments that show it."""

__version__ = "0.1.0"
