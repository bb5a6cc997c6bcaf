"""Reading a corpus, and what is said when it cannot be read. No test here uses the network."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artbp_exp.errors import UserError
from artbp_exp.tasks.corpus import CORPORA, PARTS, Corpus, load

OWN = CORPORA["own"]
CONTENTS = {"train": b"abc abc\n", "valid": b"ab\n", "test": b"ba c"}


def write(folder: Path, **contents: bytes) -> Path:
    for part, content in (CONTENTS | contents).items():
        (folder / f"{part}.txt").write_bytes(content)
    return folder


def test_every_byte_is_a_symbol_numbered_by_its_code(tmp_path: Path) -> None:
    parts, vocabulary = load(OWN, str(write(tmp_path)), "unused")
    alphabet = sorted(set(CONTENTS["train"]))
    assert vocabulary == 5
    for part in PARTS:
        assert parts[part].dtype == np.int64
        assert bytes(alphabet[i] for i in parts[part]) == CONTENTS[part]


def test_the_real_corpus_has_the_published_counts(real_corpus: Path | None, own_corpus: Path) -> None:
    if real_corpus is None:
        parts, vocabulary = load(OWN, str(own_corpus), "unused")
        sizes = {part: (own_corpus / f"{part}.txt").stat().st_size for part in PARTS}
        assert vocabulary == len(set((own_corpus / "train.txt").read_bytes()))
    else:
        parts, vocabulary = load(CORPORA["text"], str(real_corpus), "unused")
        sizes = {"train": 5_101_618, "valid": 399_782, "test": 449_945}
        assert vocabulary == 50
    assert {part: parts[part].size for part in PARTS} == sizes


def test_the_real_character_corpus_has_the_published_counts(real_corpus: Path | None) -> None:
    if real_corpus is not None:
        parts, vocabulary = load(CORPORA["char"], str(real_corpus), "unused")
        assert (vocabulary, parts["train"].size) == (50, 5_017_482)


def test_a_spaced_corpus_counts_line_ends_and_drops_separators(tmp_path: Path) -> None:
    for part in PARTS:
        # the published files end in a blank after the last line end: that is not one more line
        (tmp_path / f"{part}.txt").write_text(" a _ b \n b a \n ", encoding="ascii")
    spaced = Corpus(files=OWN.files, sha256={}, sources=(), spaced=True)
    parts, vocabulary = load(spaced, str(tmp_path), "unused")
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
def test_a_symbol_that_train_never_has_is_named(tmp_path: Path, part: str) -> None:
    with pytest.raises(UserError, match=rf"the {part} part .* has 2 symbols that train never has \('!', 'z'\)"):
        load(OWN, str(write(tmp_path, **{part: b"abz!z"})), "unused")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("content", [b"", b"a"])
def test_a_part_without_anything_to_predict_is_refused(tmp_path: Path, part: str, content: bytes) -> None:
    with pytest.raises(UserError, match=f"the {part} part in .* has fewer than two symbols"):
        load(OWN, str(write(tmp_path, **{part: content})), "unused")
