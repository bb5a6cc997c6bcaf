"""The run folder: configuration, metrics, summary, parameters; writing them and loading them back."""
