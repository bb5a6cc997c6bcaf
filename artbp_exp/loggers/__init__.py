"""Trackers that a run is shown in while it trains, one file each: `build(...)` returns a `Logger`."""
