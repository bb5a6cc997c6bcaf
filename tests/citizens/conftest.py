"""The citizens' yaml beside the project's own, and their modules where members are looked for."""

import shutil
from pathlib import Path

import pytest

from artbp_exp import registry

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(registry.directory(), conf)
    shutil.copytree(HERE / "conf", conf, dirs_exist_ok=True)
    monkeypatch.setattr(registry, "directory", lambda: conf)
    for group in ("method", "boundary"):
        monkeypatch.setitem(registry.PACKAGES, group, (*registry.PACKAGES[group], "tests.citizens"))
