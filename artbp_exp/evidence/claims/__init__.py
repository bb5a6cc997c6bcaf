"""What is claimed, and what was measured of it: a row of the report each."""
