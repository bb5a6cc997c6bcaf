"""The methods of the field on one bench: how each is called and coloured, and what was measured of it."""
