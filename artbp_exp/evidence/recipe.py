"""What a recipe in `conf/experiment` says: its commands, and the values that they run over."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from artbp_exp import registry
from artbp_exp.errors import UserError

COMMAND = re.compile(r"^# (artbp-run .*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe.

    Attributes:
        name: of its file.
        commands: that run all of it, from its head.
        sweep: setting → its values, as text separated by commas, from `hydra.sweeper.params`.
    """

    name: str
    commands: tuple[str, ...]
    sweep: dict[str, str]

    def values(self, setting: str) -> tuple[float, ...]:
        """Every number that a setting takes in the sweep and in the commands, in order of appearance."""
        given = re.compile(rf"(?:^|\s){re.escape(setting)}=(\S+)")
        texts = [self.sweep[setting]] if setting in self.sweep else []
        texts += [match for command in self.commands for match in given.findall(command)]
        return tuple(dict.fromkeys(float(value) for text in texts for value in text.split(",")))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its sweep and its commands; 0 alone where they name none."""
        return tuple(map(int, self.values("seed"))) or (0,)


def recipe(name: str) -> Recipe:
    """Reads a recipe.

    Raises:
        UserError: there is none of that name.
    """
    path = Path(registry.directory()) / "experiment" / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"there is no recipe {path}; restore it")
    text = path.read_text(encoding="utf-8")
    body: dict[str, Any] = yaml.safe_load(text)
    params = body.get("hydra", {}).get("sweeper", {}).get("params", {})
    sweep = {key: str(value) for key, value in params.items()}
    return Recipe(name=name, commands=tuple(COMMAND.findall(text)), sweep=sweep)
