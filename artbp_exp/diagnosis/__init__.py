"""What a truncation costs at a checkpoint: bias, variance, memory, and how far influence reaches."""
