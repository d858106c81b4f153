"""The classifier that a person takes away: parts, their weights, calibrated probabilities; saved as a folder and loaded again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.representations.scores import decision_scores
from helpers.takeaway import storage, texts
from helpers.takeaway.calibration import Calibration, on_held_out, on_inner_folds
from helpers.takeaway.readers import OnnxWindows, base_model, reader_of

BATCH = 32
"""Texts that are read at once."""


@dataclass
class Part:
    """One voice of the classifier.

    Attributes:
        reader: see `helpers.takeaway.readers`.
        head: fitted scikit-learn estimator on what the reader returns.
        weight: its say.
        mean, deviation: by which its scores are standardised.
    """

    reader: object
    head: object
    weight: float
    mean: float
    deviation: float

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        """Its share of the classifier's logits: float array (texts, genres)."""
        return self.weight * (decision_scores(self.head, self.reader.transform(table)) - self.mean) / self.deviation


class GenreClassifier:
    """A fitted classifier of texts, with scikit-learn's habits.

    Attributes:
        classes_: the labels, in the order of the columns of `predict_proba`.
        parts: its parts by name.
        calibration: how its scores become probabilities.
        usual: what was usual among its training texts.
        sure: the confidence from which on it was right 9 times of 10 on stories it was fitted without, as `threshold_for` returns it, or None.
        about: what is kept beside it: training set, versions, results.
        saved: what `config.json` says of one that was loaded; empty else.
    """

    def __init__(
        self, classes, parts: dict[str, Part], calibration: Calibration, usual: texts.Usual, sure: dict | None, about: dict
    ):
        self.classes_, self.parts, self.calibration = np.array(classes), parts, calibration
        self.usual, self.sure, self.about, self.saved = usual, sure, about, {}
        words = [part.head[0] for part in parts.values() if hasattr(part.head[0], "vocabulary_")]
        self.vocabulary = {word for vectorizer in words for word in vectorizer.vocabulary_ if " " not in word}

    @classmethod
    def of(cls, fused, train: pd.DataFrame, about: dict | None = None) -> GenreClassifier:
        """Make a classifier to take away of a fitted `FusedClassifier`.

        Probabilities are calibrated on its inner folds. Parts without any say are left out.

        Args:
            fused: the `FusedClassifier`.
            train: the story table that it was fitted on.
            about: what the model card shall say: see `helpers.takeaway.card`.

        Raises:
            TypeError: a part reads in a way that cannot be saved.
            ValueError: a part does not know all genres.
        """
        parts, weights = {}, fused.weights()
        for name, weight in ({name: weight for name, weight in weights.items() if weight} or weights).items():
            fitted = fused.fitted[name]
            if list(fitted.classes_) != fused.genres:
                raise ValueError(f"The part {name!r} was fitted on {len(fitted.classes_)} of {len(fused.genres)} genres.")
            mean, deviation = map(float, fused.scale[name])
            parts[name] = Part(reader_of(fitted[0]), fitted[1:], float(weight), mean, deviation)
        calibration, sure = on_inner_folds(fused)
        classifier = cls(fused.genres, parts, calibration, texts.Usual(0, 0.0), sure, about or {})
        classifier.usual = texts.Usual.of(train["text"].tolist(), classifier.vocabulary)
        return classifier

    def pooled_with(
        self, setfit, name: str, table: pd.DataFrame, probabilities: pd.DataFrame, about: dict | None = None
    ) -> GenreClassifier:
        """This classifier and a tuned SetFit with an equal say, as `fewshot.log_pool` gives them; the tuned encoder comes with it.

        Args:
            setfit: a `fewshot.SetFit` with `reads`, fitted on the stories that this classifier was fitted on; in 8 bits if its recipe says so.
            name: of its part.
            table: these stories.
            probabilities: what the two, pooled, said of each of them when fitted without it: index the story's id, a column a genre. The
                probabilities are calibrated on them.
            about: see `of`.

        Raises:
            ValueError: SetFit does not know all labels.
        """
        from helpers.representations.onnx_export import Int8Encoder, export

        labels = self.classes_.tolist()
        if list(setfit.fitted.classes_) != labels:
            raise ValueError(f"SetFit was fitted on {len(setfit.fitted.classes_)} of {len(labels)} labels.")
        encoder = setfit.fitted[0].encoder
        encoder = encoder.exported if isinstance(encoder, Int8Encoder) else export(encoder)
        reader = OnnxWindows(encoder, setfit.recipe["reads"], base_model(setfit.encoder_name))
        # The logarithms of both probabilities, half of each. Of two labels, a regression's scores lie twice as far apart as they do.
        parts = {kept: replace(part, weight=part.weight / 2) for kept, part in self.parts.items()}
        parts[name] = Part(reader, setfit.fitted[1:], 0.5, 0.0, 1.0 if len(labels) > 2 else 2.0)
        truth = table["genre"].map(labels.index).to_numpy()
        calibration, sure = on_held_out(probabilities.loc[table["story_id"], labels].to_numpy(), truth)
        return GenreClassifier(labels, parts, calibration, self.usual, sure, about or {})

    def predict(self, texts_, titles=None, progress: bool = False) -> np.ndarray:
        """The likeliest label of each text: array of strings (texts,). See `predict_proba` for the arguments."""
        return self.classes_[self.predict_proba(texts_, titles, progress).argmax(axis=1)]

    def predict_proba(self, texts_, titles=None, progress: bool = False) -> np.ndarray:
        """Calibrated probabilities of the labels: float array (texts, labels), columns in the order of `classes_`.

        Args:
            texts_: a list of texts.
            titles: as many titles, or None.
            progress: show a progress bar.

        Raises:
            TypeError: no list of texts is given.
            ValueError: one of the texts cannot be classified; the message says which and why. `classify` keeps such rows instead.
        """
        table = texts.as_table(texts_, titles)
        for place, text in enumerate(table["text"]):
            if why := texts.why_not(text):
                raise ValueError(f"Text {place} cannot be classified: {why}. `classify` keeps such rows and says why.")
        return self._probabilities(texts.readable(table), progress)

    def classify(self, texts_, titles=None, top: int = 5, abstain: float | None = None, progress: bool = False) -> pd.DataFrame:
        """What is predicted for each text, how sure that is, and what is to be said of it. No text is an error.

        Args:
            texts_, titles, progress: see `predict_proba`.
            top: how many of the likeliest labels are listed.
            abstain: a confidence; below it nothing is predicted. None: always predict.

        Returns:
            DataFrame with a row a text: `predicted` (empty where nothing is), `confidence`, `likeliest` (list of label and probability pairs,
            best first), `note` (why nothing is predicted, or what is unusual about the text; empty else).

        Raises:
            TypeError: no list of texts is given.
            ValueError: `top` or `abstain` is out of range.
        """
        if not 1 <= top:
            raise ValueError(f"top={top}: at least 1 label is listed.")
        if abstain is not None and not 0 <= abstain <= 1:
            raise ValueError(f"abstain={abstain}: a confidence lies between 0 and 1.")
        table = texts.as_table(texts_, titles)
        notes = [texts.why_not(text) for text in table["text"]]
        kept = [place for place, why in enumerate(notes) if not why]
        rows = [{"predicted": "", "confidence": np.nan, "likeliest": [], "note": why} for why in notes]
        found = texts.readable(table.loc[kept])
        for place, probabilities in zip(kept, self._probabilities(found, progress)):
            best = np.argsort(-probabilities, kind="stable")[:top]
            confidence, said = float(probabilities[best[0]]), texts.note(table.at[place, "text"], self.usual, self.vocabulary)
            unsure = abstain is not None and confidence < abstain
            if unsure:
                said = "; ".join(filter(None, ["not sure enough", said]))
            rows[place] = {
                "predicted": "" if unsure else str(self.classes_[best[0]]),
                "confidence": confidence,
                "likeliest": [(str(self.classes_[label]), float(probabilities[label])) for label in best],
                "note": said,
            }
        return pd.DataFrame(rows, columns=["predicted", "confidence", "likeliest", "note"])

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        """Weighted sum of the parts' standardised scores, before calibration: float array (texts, labels).

        Args:
            table: with the columns `text` and `title`, both strings.
        """
        return sum(part.logits(table) for part in self.parts.values())

    def _probabilities(self, table: pd.DataFrame, progress: bool) -> np.ndarray:
        found = np.zeros((len(table), len(self.classes_)))
        with tqdm(total=len(table), unit="text", disable=not progress) as bar:
            for start in range(0, len(table), BATCH):
                some = table.iloc[start : start + BATCH]
                found[start : start + BATCH] = self.calibration.probabilities(self.logits(some))
                bar.update(len(some))
        return found

    @property
    def identity(self) -> str:
        """Hash of everything that a saved classifier predicts with; empty for one that was not loaded."""
        return storage.identity(self.saved) if self.saved else ""

    def save(self, folder: str | Path) -> Path:
        """Write the classifier and its model card as a folder; one that stands there already is replaced as a whole."""
        return storage.save(self, Path(folder))

    @classmethod
    def load(cls, name: str | Path, revision: str | None = None) -> GenreClassifier:
        """Load a classifier from a folder, or from the Hugging Face Hub.

        No code of it is run: arrays come from safetensors, scikit-learn's parts through skops with a written list of types, and every
        file is held against its hash.

        Args:
            name: a folder, or a name on the Hub (`owner/name`).
            revision: on the Hub.

        Raises:
            FileNotFoundError: neither a folder nor a name on the Hub.
            ValueError: the folder is no classifier, one of another version, or its files were changed.
            OSError: the Hub or a model that the classifier reads with cannot be reached.
        """
        return storage.load(cls, name, revision)

    def push_to_hub(self, name: str, private: bool = True, token: str | None = None) -> str:
        """Upload the classifier to the Hugging Face Hub, and return its address.

        Args:
            name: `owner/name`; made where it is not there yet.
            private: whether a new one is seen by its owner alone.
            token: with the right to write; by default the one of `huggingface-cli login` or `HF_TOKEN`.
        """
        from helpers.takeaway.hub import push

        return push(self, name, private, token)
