"""docs/library.md lists every public name; tests/docs runs its code."""

import re
from pathlib import Path

import pytest

import artbp_exp

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", artbp_exp.__all__)
def test_every_public_name_is_listed(name: str) -> None:
    listed = TEXT[TEXT.index("## Every public name") :]
    assert re.search(rf"^\|[^|]*`{name}`", listed, re.MULTILINE), name
