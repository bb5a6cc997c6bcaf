"""Recurrent models, one file each: `build(...)` returns a `RecurrentModel`. They know nothing of truncation."""
