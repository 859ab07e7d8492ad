"""Plain algorithms over plain text: which words tell of a document, and which sentences say most."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

_WORD = re.compile(r"[a-z][a-z'-]+[a-z]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
_FENCE = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"^\s*(#+|>|[-*+]|\d+\.)\s+|[*`|]", re.MULTILINE)
_COMMON = frozenset(
    _WORD.findall(
        "about above after all also and any are because been before but can could does each for from had has have how "
        "into its may more most must not only other our shall should such than that the their them then there these "
        "they this those through under until was were what when where which while who will with within without would "
        "you your"
    )
)
_SHORTEST_SENTENCE, _LONGEST_SENTENCE = 6, 60


def documents(folder: Path) -> list[Path]:
    """Every file below the folder that holds text, sorted; hidden ones are left out."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if not is_hidden(path, folder) and _holds_text(path))


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether the file or a folder on the way to it has a name that begins with a dot."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _holds_text(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4096)
    return bool(start.strip()) and b"\0" not in start


def plain(text: str) -> str:
    """The text without Markdown's fences, links and marks."""
    return _MARKS.sub("", _LINK.sub(r"\1", _FENCE.sub("", text)))


def words(text: str) -> list[str]:
    """The words that carry meaning, in order, in lower case."""
    return [word for word in _WORD.findall(text.lower()) if word not in _COMMON]


def sentences(text: str) -> list[str]:
    """The sentences of its paragraphs, in order; fragments such as headings and table rows are left out."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    found = (sentence for paragraph in paragraphs for sentence in _SENTENCE_END.split(paragraph))
    return [
        s for s in found if s.endswith((".", "!", "?")) and _SHORTEST_SENTENCE <= len(s.split()) <= _LONGEST_SENTENCE
    ]


def document_frequencies(texts: Iterable[str]) -> Counter[str]:
    """In how many of the texts each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(words(text)))
    return counts


def keywords(text: str, frequencies: Mapping[str, int], total: int, count: int = 5) -> list[str]:
    """The words that are frequent here and rare elsewhere: term frequency times inverse document frequency."""
    here = Counter(words(text))
    scores = {word: n * math.log((1 + total) / (1 + frequencies.get(word, 0))) for word, n in here.items()}
    return sorted(scores, key=lambda word: (-scores[word], word))[:count]


def summary(text: str, count: int = 2) -> list[str]:
    """The sentences with the most weight, in the order of the text. A word weighs as much as it is frequent here; long
    sentences are not favoured, early ones a little."""
    weights = Counter(words(text))
    candidates = sentences(text)
    scores: dict[int, float] = {}
    for position, sentence in enumerate(candidates):
        own = set(words(sentence))
        scores[position] = sum(weights[word] for word in own) / math.sqrt(len(own) + 1) * (1 + 1 / (position + 2))
    best = sorted(scores, key=lambda position: (-scores[position], position))[:count]
    return [candidates[position] for position in sorted(best)]
