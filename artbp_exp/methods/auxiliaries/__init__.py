"""Losses trained beside the task's, one file each: `build(...)` returns an `Auxiliary`, or None."""
