"""Certifies a configuration: whether its gradient is, on average, that of full BPTT. Runs the code path that trains."""
