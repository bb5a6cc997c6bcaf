"""The command line. Hydra stops here."""
