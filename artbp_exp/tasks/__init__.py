"""What is learnt, one file each: `build(...)` returns a `Task`. Tasks know no model and no truncation."""
