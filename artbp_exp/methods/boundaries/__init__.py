"""What stands at a cut in the place of the gradient, one file each: `build(...)` returns a `Boundary`, or None."""
