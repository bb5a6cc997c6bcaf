"""How a gradient is estimated, one file each."""
