"""Two small citizens, each one file and one yaml: what the seams must be able to hold."""
