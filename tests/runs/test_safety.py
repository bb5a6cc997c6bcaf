"""A run folder from elsewhere: it cannot run code, write outside of itself, or name what is to be built."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.runs import checkpoint
from artbp_exp.runs.load import load_all, load_runs
from artbp_exp.runs.table import collect
from tests.runs.test_folder import COLUMNS, complete, make


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self.proof,)


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = tmp_path / "proof"
    data = checkpoint.encode({"run": Evil(proof)})  # with the right checksum: that is no signature
    with pytest.raises(checkpoint.DamagedCheckpoint, match="does not load as plain data"):
        checkpoint.decode(data)
    assert not proof.exists()
    torch.load(io.BytesIO(data), weights_only=False)
    assert proof.exists()


@pytest.mark.parametrize("content", [b"", b"PK", pickle.dumps({"format": 1, "state": {}}), b"\0" * 1000])
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(checkpoint.DamagedCheckpoint):
        checkpoint.decode(content)


@pytest.mark.parametrize("content", [{"format": 999, "state": {}}, {"state": {}}, [1]])
def test_a_checkpoint_of_another_version_is_left_alone(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.save
    monkeypatch.setattr(torch, "save", lambda _, file: real(content, file))
    data = checkpoint.encode({})
    (tmp_path / checkpoint.NEWEST).write_bytes(data)
    with pytest.raises(UserError, match=r"checkpoint\.pt: another version"):
        checkpoint.load(tmp_path)
    assert (tmp_path / checkpoint.NEWEST).read_bytes() == data


def test_any_tool_reads_a_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"x": torch.arange(3), "y": (2**100, None, 0.1)})
    content = torch.load(tmp_path / checkpoint.NEWEST, weights_only=True)
    assert content["state"]["y"] == (2**100, None, 0.1)
    with zipfile.ZipFile(tmp_path / checkpoint.NEWEST) as archive:
        assert archive.testzip() is None


def test_an_older_checkpoint_with_its_checksum_in_the_archives_comment_is_no_damaged_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 2)
        archive = checkpoint.encode({})[:-71]
    archive = archive[:-2] + (71).to_bytes(2, "little")  # the length of the comment
    with pytest.raises(UserError, match="another version"):
        checkpoint.decode(archive + b"sha256:" + hashlib.sha256(archive).hexdigest().encode())


def test_a_configuration_with_code_in_it_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    complete(tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_text(f"a: !!python/object/apply:pathlib.Path.touch [{proof}]\n")
    what = "config.yaml cannot be read as plain YAML; "
    with pytest.raises(UserError, match=f"{what}choose another run_dir or set overwrite=true"):
        make(tmp_path / "run").finished()
    with pytest.raises(UserError, match=f"{what}restore it, or move its folder away"):
        load_all(tmp_path)
    table, skipped = collect(tmp_path)
    assert (len(table), len(skipped)) == (0, 1)
    assert "move its folder away" in skipped[0]
    assert not proof.exists()


@pytest.mark.parametrize("group", sorted(registry.PACKAGES))
@pytest.mark.parametrize("name", ["os.system", "../../evil", "artbp_exp.cli.run", "__init__", ""])
def test_a_name_reaches_nothing_outside(group: str, name: str) -> None:
    with pytest.raises(UserError, match="is not known"):
        registry.build(group, {"name": name})


def test_a_target_is_only_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"method\._target_ is not a setting"):
        registry.build("method", {"name": "tbptt", "length": 3, "_target_": "os.system"})
    target = {"name": "artbp", "length": 16, "_target_": "os.system"}
    complete(tmp_path / "run", method=target)
    with pytest.raises(UserError, match=r"method\._target_=os\.system there, None now"):
        make(tmp_path / "run").finished()
    (run,) = load_runs(tmp_path)  # plain data, like every other value
    assert run.config["method"]["_target_"] == "os.system"


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "metrics.csv", "segments.csv", "summary.json", "model.pt", "checkpoint.pt", "run.lock"],
)
def test_a_link_is_not_written_through(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(outside)
    with pytest.raises(UserError, match="is a link"):
        make(tmp_path / "run").take()
    assert outside.read_text() == "precious"


def test_a_planted_temporary_file_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = make(tmp_path / "run")
    folder.take()
    for name in ("config.yaml", "model.pt", "summary.json", "checkpoint.pt"):
        (tmp_path / "run" / f".{name}.partial").symlink_to(outside)
    folder.open(COLUMNS, {})
    folder.write_model({"x": torch.ones(1)})
    folder.save({"rows": []})
    folder.leave({"status": "failed"})
    folder.release()
    assert outside.read_text() == "precious"
