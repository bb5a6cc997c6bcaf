"""Nothing beside the task's loss."""


def build() -> None:
    """No auxiliary loss."""
