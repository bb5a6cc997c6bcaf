"""Getting a corpus from its sources, one after the other. No test here uses the network."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pooch
import pytest
import requests

from artbp_exp.errors import UserError
from artbp_exp.tasks.text.corpus import CORPORA, PARTS, Corpus, load
from tests.tasks.test_corpus import CONTENTS, OWN, write


class Web:
    """Stands in for `pooch.HTTPDownloader`: serves what it was given, and nothing else."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        self.asked.append(url)
        if url not in self.pages:
            raise requests.ConnectionError("no network in tests")
        if hasattr(output_file, "write"):
            output_file.write(self.pages[url])
        else:
            Path(output_file).write_bytes(self.pages[url])


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Web]:
    def serve(pages: dict[str, bytes]) -> Web:
        made = Web(pages)
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda **options: made)
        return made

    return serve


SMALL = Corpus(
    files=OWN.files,
    sha256={f"{part}.txt": hashlib.sha256(content).hexdigest() for part, content in CONTENTS.items()},
    sources=("https://one.invalid/{name}", "https://two.invalid/{name}", "https://three.invalid/all.tgz"),
    spaced=False,
)


def archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for part, content in CONTENTS.items():
            member = tarfile.TarInfo(f"simple-examples/data/{part}.txt")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def files_there(folder: Path) -> dict[str, bytes]:
    return {part: (folder / f"{part}.txt").read_bytes() for part in PARTS}


def test_the_next_source_is_tried_when_one_is_down_or_serves_another_file(web: Callable, tmp_path: Path) -> None:
    wrong = {f"https://one.invalid/{part}.txt": b"a page of an error" for part in PARTS if part != "test"}
    right = {f"https://two.invalid/{part}.txt": content for part, content in CONTENTS.items()}
    web(wrong | right)
    load(SMALL, None, str(tmp_path))
    assert files_there(tmp_path) == CONTENTS


def test_files_are_taken_out_of_an_archive_and_checked(web: Callable, tmp_path: Path) -> None:
    web({"https://three.invalid/all.tgz": archive()})
    load(SMALL, None, str(tmp_path))
    assert files_there(tmp_path) == CONTENTS
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_there_is_not_downloaded_again(web: Callable, tmp_path: Path) -> None:
    served = web({})
    load(SMALL, None, str(write(tmp_path)))
    assert served.asked == []


@pytest.mark.parametrize("corpus", ["text", "char"])
def test_without_a_network_the_message_says_what_to_get_where_and_how(
    web: Callable, tmp_path: Path, corpus: str
) -> None:
    served = web({})
    with pytest.raises(UserError) as caught:
        load(CORPORA[corpus], None, str(tmp_path / "data"))
    message = str(caught.value)
    for name, checksum in CORPORA[corpus].sha256.items():
        assert name in message
        assert checksum in message
    assert len(served.asked) == len(CORPORA[corpus].sources)
    assert all(url in message for url in served.asked)
    assert "task.data_dir=" in message
    assert "\n" not in message


def test_a_folder_that_was_named_is_never_downloaded_into(web: Callable, tmp_path: Path) -> None:
    served = web({f"https://one.invalid/{part}.txt": content for part, content in CONTENTS.items()})
    with pytest.raises(UserError, match=r"train\.txt is missing"):
        load(SMALL, str(tmp_path), "unused")
    assert served.asked == []
    assert list(tmp_path.iterdir()) == []


def cut_short() -> bytes:
    return archive()[:60]


def of_something_else() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz"):
        pass
    return packed.getvalue()


@pytest.mark.parametrize("served", [lambda: b"<html>an error</html>", cut_short, of_something_else])
def test_an_archive_that_is_none_is_a_source_that_failed(web: Callable, tmp_path: Path, served: Callable) -> None:
    web({"https://three.invalid/all.tgz": served()})
    with pytest.raises(UserError, match=r"could not be downloaded .*all\.tgz"):
        load(SMALL, None, str(tmp_path))
    # and it is not kept: the next attempt asks again
    web({"https://three.invalid/all.tgz": archive()})
    load(SMALL, None, str(tmp_path))
    assert files_there(tmp_path) == CONTENTS
