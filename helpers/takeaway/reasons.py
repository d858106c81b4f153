"""Why a label was predicted: the words that spoke for and against it, and the passages without which it would be less (or more) likely."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from helpers.takeaway import texts

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+[」』”]*|\n+|$)", re.S)


def words(classifier, text: str, title: str = "", label: str | None = None, most: int = 8) -> pd.DataFrame:
    """Words and word pairs that spoke for and against a label: the linear part's own weights, times how much of them is in the text.

    What counts is a word's weight for this label less its mean weight over all labels, since what speaks for all of them alike changes nothing.

    Args:
        classifier: a `GenreClassifier`.
        text, title: what was classified.
        label: by default the likeliest one.
        most: words for, and words against.

    Returns:
        DataFrame with the columns `word` and `says` (in nats of the label's logit before calibration), strongest for first, strongest against
        last; empty where no part reads words. Words such as "into" and "of the" count too, but tell a reader nothing and are not listed.
    """
    found = contributions(classifier, text, title, label)
    ranked = sorted(((word, says) for word, says in found.items() if says and not _empty(word)), key=lambda pair: -pair[1])
    chosen = [pair for pair in ranked if pair[1] > 0][:most] + [pair for pair in ranked if pair[1] < 0][-most:]
    return pd.DataFrame(chosen, columns=["word", "says"])


def contributions(classifier, text: str, title: str = "", label: str | None = None) -> dict[str, float]:
    """What every word and word pair of a text adds to a label's logit, less what it adds to all labels on average. See `words`."""
    table, place = _read(classifier, text, title, label)
    found: dict[str, float] = {}
    for part in classifier.parts.values():
        vectorizer, linear = part.head[0], part.head[-1]
        if not hasattr(vectorizer, "vocabulary_"):
            continue
        row = vectorizer.transform(part.reader.transform(table)).tocoo()
        weights = linear.coef_ if len(linear.coef_) > 1 else np.vstack([-linear.coef_, linear.coef_])
        names = vectorizer.get_feature_names_out()
        for column, value in zip(row.col, row.data):
            says = part.weight / part.deviation * value * (weights[place, column] - weights[:, column].mean())
            found[names[column]] = found.get(names[column], 0.0) + float(says)
    return found


def _empty(word: str) -> bool:
    """Whether nothing can be learned from a word or pair: articles and the like alone."""
    return all(piece in ENGLISH_STOP_WORDS for piece in word.split())


def passages(classifier, text: str, title: str = "", label: str | None = None, most: int = 8) -> pd.DataFrame:
    """What each passage of a text does for a label: the text is read again without it (occlusion; Zeiler and Fergus, 2014).

    Args:
        classifier, text, title, label: see `words`.
        most: passages that the text is cut into, at ends of sentences.

    Returns:
        DataFrame with the columns `passage`, `start`, `end` (places in the text), `without` (the label's probability without it) and `says` (how far
        its log odds fall without it: positive where the passage speaks for the label), in the order of the text. Empty where there is only one.
    """
    table, place = _read(classifier, text, title, label)
    text = table["text"].iloc[0]
    spans = split_passages(text, most)
    if len(spans) < 2:
        return pd.DataFrame(columns=["passage", "start", "end", "without", "says"])
    shorter = [text[:start] + text[end:] for start, end in spans]
    probabilities = np.clip(classifier.predict_proba([text, *shorter], [title] * (len(spans) + 1))[:, place], 1e-9, 1 - 1e-9)
    return pd.DataFrame(
        {
            "passage": [text[start:end].strip() for start, end in spans],
            "start": [start for start, _ in spans],
            "end": [end for _, end in spans],
            "without": probabilities[1:],
            "says": logit(probabilities[0]) - logit(probabilities[1:]),
        }
    )


def split_passages(text: str, most: int) -> list[tuple[int, int]]:
    """Places of passages of about equal length, cut at ends of sentences: at most `most`, none empty, together the whole text.

    A sentence that is longer than a passage is not cut: a list of one span means that there is nothing to part.
    """
    sentences = [match.span() for match in _SENTENCE.finditer(text) if match.group().strip()]
    size, spans = len(text) / most, []
    for start, end in sentences:
        if spans and end - spans[-1][0] <= size * 1.05:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    while len(spans) > most:  # the shortest joins its shorter neighbour
        place = min(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0])
        beside = [i for i in (place - 1, place + 1) if 0 <= i < len(spans)]
        other = min(beside, key=lambda i: spans[i][1] - spans[i][0])
        first, second = sorted((place, other))
        spans[first : second + 1] = [(spans[first][0], spans[second][1])]
    return spans


def _read(classifier, text: str, title: str, label: str | None) -> tuple[pd.DataFrame, int]:
    if why := texts.why_not(text):
        raise ValueError(f"There are no reasons to give: {why}.")
    table = texts.readable(texts.as_table([text], [title]))
    if label is None:
        return table, int(classifier.predict_proba([text], [title])[0].argmax())
    labels = classifier.classes_.tolist()
    if label not in labels:
        raise ValueError(f"{label!r} is none of the classifier's labels: {', '.join(map(str, labels[:8]))}, ...")
    return table, labels.index(label)
