"""scikit-learn estimators as files that hold no code: `skops`, with the types that may be in one written down here.

A pickle runs what it holds when it is loaded. A skops file names types and holds arrays; before anything is made of it, every name is
held against `TYPES` and `NODES`, which are much shorter than what skops trusts by itself.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import zipfile

import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from helpers.words import tokens

TYPES = {
    "builtins.dict",
    "builtins.list",
    "builtins.str",
    "builtins.tuple",
    "numpy.float32",
    "numpy.float64",
    "numpy.int32",
    "numpy.int64",
    "numpy.ndarray",
    "sklearn.feature_extraction.text.TfidfTransformer",
    "sklearn.feature_extraction.text.TfidfVectorizer",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.svm._classes.LinearSVC",
}
"""What a head may be made of."""
NODES = {"DictNode", "JsonNode", "ListNode", "NdArrayNode", "ObjectNode", "TupleNode", "TypeNode"}
"""How skops may build it: containers, numbers, arrays, and objects of the types above; no functions, no methods, no reductions."""

_STOP_WORDS = re.compile(r'("_stop_words_id": \{[^{}]*"content": ")\d+')
"""Where a vectorizer's stop words lay in memory when it last looked at them: it looks again where they do not lie there."""
_PLACE = re.compile(r'("__id__": |"file": ")(\d+)')


def to_bytes(head) -> bytes:
    """A fitted pipeline as the content of a `.skops` file.

    Raises:
        TypeError: it is made of something that `from_bytes` would refuse.
    """
    held = skops.io.dumps(Pipeline([(name, _without_functions(step)) for name, step in head.steps]))
    if foreign := _foreign(held):
        raise TypeError(
            f"{foreign} cannot be saved: helpers/takeaway/heads.py lists the types that are trusted when a classifier is loaded."
        )
    # dumps leaves the arrays as they are; the vocabulary's names shrink to a tenth.
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(held)) as plain,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file,
    ):
        # Objects go by their places in memory there, which are others every time, as is which of them are one object: every mention gets its own
        # number, so that the same classifier is the same bytes.
        numbers, files = itertools.count(), {}

        def renumbered(found: re.Match) -> str:
            number = next(numbers)
            if "file" in found[1]:
                files[number] = found[2]
            return f"{found[1]}{number}"

        schema = _STOP_WORDS.sub(r"\g<1>0", _PLACE.sub(renumbered, plain.read("schema.json").decode()))
        for number, place in files.items():
            file.writestr(zipfile.ZipInfo(f"{number}.npy"), plain.read(f"{place}.npy"), zipfile.ZIP_DEFLATED)
        file.writestr(zipfile.ZipInfo("schema.json"), schema, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def from_bytes(held: bytes, name: str):
    """The estimator in a `.skops` file, once everything in it is found to be trusted.

    Args:
        held: content of the file.
        name: of the file, for the message.

    Raises:
        ValueError: the file is no skops file, or names a type that is not trusted; nothing of it has been built then.
    """
    try:
        foreign = _foreign(held)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{name} is no skops file ({error}). Get the classifier again from where it came.") from None
    if foreign:
        raise ValueError(
            f"{name} holds {foreign}, which is not among the trusted types (helpers/takeaway/heads.py): it was not loaded."
        )
    head = skops.io.loads(held, trusted=sorted(TYPES))
    for _, step in head.steps:
        if isinstance(step, TfidfVectorizer) and step.tokenizer is None and step.token_pattern is None:
            step.tokenizer = tokens
    return head


def _without_functions(step):
    """A fitted step as it is saved. This project's own words (`helpers.words.tokens`) are kept as neither a function nor a pattern."""
    if not isinstance(step, TfidfVectorizer):
        return step
    plain = TfidfVectorizer()
    plain.__dict__.update(step.__dict__)
    if step.tokenizer is tokens:
        plain.tokenizer = plain.token_pattern = None
    return plain


def _foreign(held: bytes) -> str:
    """The types and builders of a skops file that are not trusted, as text; empty where there are none."""
    with zipfile.ZipFile(io.BytesIO(held)) as file:
        schema = json.loads(file.read("schema.json"))
    found, open_nodes = set(), [schema]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, dict):
            if "__class__" in node or "__loader__" in node:
                name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node.get("__loader__")
                if name not in TYPES or loader not in NODES:
                    found.add(name if name not in TYPES else f"{name} through {loader}")
            open_nodes += node.values()
        elif isinstance(node, list):
            open_nodes += node
    return ", ".join(sorted(found))
