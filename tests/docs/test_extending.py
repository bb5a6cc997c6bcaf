"""docs/extending.md as it is written: its files in a copy of the package, its commands run there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.pages import blocks, commands

PAGE = ROOT / "docs" / "extending.md"
DRIVER = """
import importlib, json, sys, traceback
for words in json.loads(sys.argv[1]):
    program, *arguments = words
    sys.argv = [program, *arguments]
    code = 0
    try:
        importlib.import_module("artbp_exp.cli." + program.removeprefix("artbp-")).main()
    except SystemExit as end:
        code = end.code or 0
    print("EXIT", code, *words, flush=True)
"""
REFUTED = "artbp-verify task=echo method=instant verify.draws=0"


def test_the_walk_through_works_as_written(tmp_path: Path) -> None:
    for folder in ("artbp_exp", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks(PAGE):
        if block.language in ("python", "yaml"):
            first, rest = block.text.split("\n", 1)
            file = tmp_path / first.removeprefix("# ")
            assert file.parent.is_dir(), first
            assert not file.exists(), first
            file.write_text(rest + "\n", encoding="utf-8")
    typed = [command.words for command in commands(PAGE) if command.words[0] in ("artbp-run", "artbp-verify")]
    typed = [words for words in typed if words != ("artbp-run", "--help")]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(typed)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    ends = [line.split(maxsplit=2)[1:] for line in done.stdout.splitlines() if line.startswith("EXIT")]
    assert ends == [["1" if " ".join(words) == REFUTED else "0", " ".join(words)] for words in typed], (
        done.stdout + done.stderr
    )
    assert done.stdout.count("verdict: certified") == 2
    assert "finished: validation loss" in done.stdout
