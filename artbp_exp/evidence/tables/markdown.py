"""A Markdown table."""

from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table, without a newline at its end; cells that a row lacks at its end are empty."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" + " |" * (len(head) - len(cells)) for cells in lines)
