"""Reading a corpus, and what is said when it cannot be read. No test here uses the network."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from artbp_exp.errors import UserError
from artbp_exp.tasks.text.corpus import CORPORA, PARTS, Corpus, load

OWN = CORPORA["own"]
CONTENTS = {"train": b"abc abc\n", "valid": b"ab\n", "test": b"ba c"}


def write(folder: Path, **contents: bytes) -> Path:
    for part, content in (CONTENTS | contents).items():
        (folder / f"{part}.txt").write_bytes(content)
    return folder


def read(corpus: Corpus, folder: Path) -> tuple[dict[str, NDArray[np.int64]], int]:
    text = load(corpus, str(folder), "unused")
    return text.parts, text.vocabulary


def test_every_byte_is_a_symbol_numbered_by_its_code(tmp_path: Path) -> None:
    parts, vocabulary = read(OWN, write(tmp_path))
    alphabet = sorted(set(CONTENTS["train"]))
    assert vocabulary == 5
    for part in PARTS:
        assert parts[part].dtype == np.int64
        assert bytes(alphabet[i] for i in parts[part]) == CONTENTS[part]


def test_the_real_corpus_has_the_published_counts(real_corpus: Path | None, own_corpus: Path) -> None:
    if real_corpus is None:
        parts, vocabulary = read(OWN, own_corpus)
        sizes = {part: (own_corpus / f"{part}.txt").stat().st_size for part in PARTS}
        assert vocabulary == len(set((own_corpus / "train.txt").read_bytes()))
    else:
        parts, vocabulary = read(CORPORA["text"], real_corpus)
        sizes = {"train": 5_101_618, "valid": 399_782, "test": 449_945}
        assert vocabulary == 50
    assert {part: parts[part].size for part in PARTS} == sizes


def test_the_real_character_corpus_has_the_published_counts(real_corpus: Path | None) -> None:
    if real_corpus is not None:
        parts, vocabulary = read(CORPORA["char"], real_corpus)
        assert (vocabulary, parts["train"].size) == (50, 5_017_482)


def test_a_spaced_corpus_counts_line_ends_and_drops_separators(tmp_path: Path) -> None:
    for part in PARTS:
        # the published files end in a blank after the last line end: that is not one more line
        (tmp_path / f"{part}.txt").write_text(" a _ b \n b a \n ", encoding="ascii")
    spaced = Corpus(files=OWN.files, sha256={}, sources=(), spaced=True)
    parts, vocabulary = read(spaced, tmp_path)
    assert vocabulary == 4  # line end, _, a, b
    assert parts["train"].tolist() == [2, 1, 3, 0, 3, 2, 0]


def test_a_folder_or_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"task\.data_dir=\S+nowhere is not a folder"):
        load(OWN, str(tmp_path / "nowhere"), "unused")
    (write(tmp_path) / "valid.txt").unlink()
    with pytest.raises(UserError, match=r"valid\.txt is missing; .*train\.txt.*task\.data_dir=…"):
        load(OWN, str(tmp_path), "unused")


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"X" + b[1:], lambda b: b""])
def test_a_truncated_or_altered_file_is_refused_with_both_sums(tmp_path: Path, spoil: Callable) -> None:
    good = {f"{part}.txt": hashlib.sha256(content).hexdigest() for part, content in CONTENTS.items()}
    corpus = Corpus(files=OWN.files, sha256=good, sources=("http://localhost/{name}",), spaced=False)
    bad = spoil(CONTENTS["train"])
    with pytest.raises(UserError, match="not the published file") as caught:
        load(corpus, str(write(tmp_path, train=bad)), "unused")
    assert good["train.txt"] in str(caught.value)
    assert hashlib.sha256(bad).hexdigest() in str(caught.value)
    load(corpus, str(write(tmp_path)), "unused")


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_symbol_that_train_never_has_is_named_with_its_place(tmp_path: Path, part: str) -> None:
    says = (
        rf"the {part} part, \S+{part}\.txt, has 2 symbols that train never has: '!' at byte 3 \(line 1\), 'z' at byte 5"
    )
    with pytest.raises(UserError, match=says):
        load(OWN, str(write(tmp_path, **{part: b"abc!\nz"})), "unused")


ENGLISH = "the café is open\n"


@pytest.mark.parametrize(
    ("train", "valid", "says"),
    [
        # a letter with an accent, in UTF-8: a byte is shown with the character that it is part of
        (
            ENGLISH.encode(),
            "the caf\u00ea is\n".encode(),
            r"byte 0xAA of 'ê' at byte 8 \(line 1\); .*replace them in valid",
        ),
        (
            ENGLISH.encode(),
            ENGLISH.encode("latin-1"),
            r"byte 0xE9 at byte 7 .*is not UTF-8 and train is; save both in the same",
        ),
        (
            ENGLISH.encode("latin-1"),
            ENGLISH.encode(),
            r"byte 0xA9 of 'é' at byte 8 .*valid file is UTF-8 and train not",
        ),
        (
            ENGLISH.encode(),
            ENGLISH.encode("utf-8-sig"),
            r"byte 0xBB of '\\ufeff' at byte 1 .*byte-order mark \(EF BB BF\)",
        ),
        (
            ENGLISH.encode(),
            ENGLISH.replace("\n", "\r\n").encode(),
            r"'\\r' at byte 17 \(line 1\); .*CRLF, train with LF",
        ),
        (
            ENGLISH.encode(),
            ENGLISH.encode() + b"BCDFGHJK",
            r"has 8 symbols .*'B' at byte 18 \(line 2\), .*'G' at .* and 3 more",
        ),
    ],
    ids=["accent", "latin-1", "utf-8", "byte-order mark", "crlf", "many"],
)
def test_what_usually_puts_unknown_symbols_there_is_said(tmp_path: Path, train: bytes, valid: bytes, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(OWN, str(write(tmp_path, train=train, valid=valid, test=train)), "unused")


def test_an_unknown_symbol_of_a_spaced_corpus_is_the_character(tmp_path: Path) -> None:
    spaced = Corpus(files=OWN.files, sha256={}, sources=(), spaced=True)
    folder = write(tmp_path, train=b"a b \n", valid="a \u2192 \n".encode(), test=b"a b \n")
    with pytest.raises(UserError, match=r"has 1 symbols? that train never has: '→' at byte 2 \(line 1\)"):
        load(spaced, str(folder), "unused")


def test_the_checksums_of_the_files_are_known(tmp_path: Path) -> None:
    found = load(OWN, str(write(tmp_path)), "unused").sha256
    assert found == {f"{part}.txt": hashlib.sha256(content).hexdigest() for part, content in CONTENTS.items()}


def test_reading_a_corpus_that_is_there_loads_no_downloader(tmp_path: Path) -> None:
    settings = {"corpus": "own", "data_dir": str(write(tmp_path)), "batch_size": 1}
    program = (
        f"import sys; from artbp_exp import registry; registry.build('task', {{'name': 'ptb', **{settings}}}); "
        f"registry.build('task', {{'name': 'synthetic'}}); print(sorted({{'pooch', 'requests'}} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("content", [b"", b"a"])
def test_a_part_without_anything_to_predict_is_refused(tmp_path: Path, part: str, content: bytes) -> None:
    with pytest.raises(UserError, match=f"the {part} part in .* has fewer than two symbols"):
        load(OWN, str(write(tmp_path, **{part: content})), "unused")
