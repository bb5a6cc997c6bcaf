"""Tables for README.md and docs/, as Markdown."""
