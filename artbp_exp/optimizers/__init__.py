"""How parameters are updated, one file each: `build(...)` returns an `Updater`."""
