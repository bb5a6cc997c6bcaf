"""What is learned, one file each: `build(...)` returns a `Task`. Tasks know no model and no truncation."""
