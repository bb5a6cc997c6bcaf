"""Figures from run folders and tables: CSV in, PNG and PDF out. No torch here, and no experiment is run."""
