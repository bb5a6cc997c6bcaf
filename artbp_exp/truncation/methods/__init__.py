"""The methods on offer, one file each: `build(...)` returns a `Scheme`."""
