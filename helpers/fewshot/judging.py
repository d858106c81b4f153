"""Both protocols of notebook 06: fit on what trains, score what judges, store what came out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from sklearn.pipeline import Pipeline

from helpers import comparison
from helpers.augmentation.rows import count_sources, training_set
from helpers.fewshot.fusion import FusedClassifier
from helpers.fewshot.setfit import SetFit
from helpers.measuring import Cost, latency_ms, measure
from helpers.representations.scores import decision_scores
from helpers.runtime import Run
from helpers.stories import N_FOLDS

SEED_SPLIT = -1
"""Stands for the seed split where splits are named by their fold."""


@dataclass
class Fused:
    """A combination that was fitted for every split, by fold.

    Attributes:
        models: the fitted classifiers.
        scores: by part, their scores of the judged stories.
        costs: of fitting and scoring, by protocol.
    """

    models: dict[int, FusedClassifier] = field(default_factory=dict)
    scores: dict[int, dict] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)


class Judging:
    """A dataset under both protocols.

    Args:
        run: the running notebook.
        table, facts: from `stories.read_stories`.

    Attributes:
        protocols: for each protocol, triples of the stories that may train, those that judge, and the fold (`SEED_SPLIT` for the seed's own split).
    """

    def __init__(self, run: Run, table: pd.DataFrame, facts: dict):
        self.run, self.table, self.facts = run, table, facts
        train, test = (table[table["split"] == split] for split in ("train", "test"))
        folds = [(table[table["fold"] != fold], table[table["fold"] == fold], fold) for fold in range(N_FOLDS)]
        self.protocols = {"seed_split": [(train, test, SEED_SPLIT)], "five_fold": folds}

    def rows_for(self, ids, sources: tuple[str, ...] = ("original",)) -> pd.DataFrame:
        """Rows that may train where these stories train, see `training_set`."""
        return training_set(self.run, self.table, ids, sources)

    def predictions(self, protocol: str, scores: pd.DataFrame) -> pd.DataFrame:
        """What a table of scores (`story_id`, then a column a genre) predicts for the judged stories of a protocol."""
        by_story = scores.set_index("story_id")
        parts = [
            comparison.predictions_from_scores(judged, by_story.loc[judged["story_id"]], list(by_story), fold)
            for _, judged, fold in self.protocols[protocol]
        ]
        return pd.concat(parts, ignore_index=True)

    def keep_result(self, approach: str, protocol: str, scores: pd.DataFrame, **about) -> dict:
        """Store what a table of scores predicts under a protocol, and what `about` says of it (see `comparison.save_result`).

        Returns:
            The result with its `predictions` and `scores`.
        """
        predictions = self.predictions(protocol, scores)
        result = comparison.save_result(self.run, approach, protocol, predictions, dataset=self.facts, scores=scores, **about)
        return result | {"predictions": predictions, "scores": scores}

    def judge(
        self, approach: str, title: str, model: str, pipeline: Pipeline, sources: tuple[str, ...] = ("original",), **settings
    ) -> dict[str, dict]:
        """Fit a classifier and score with it under both protocols, and store what it predicts.

        Args:
            approach, title, model, settings: see `comparison.save_result`.
            pipeline: see `helpers.representations.scores`; fitted anew for each split.
            sources: of the training rows.

        Returns:
            The result of each protocol.
        """
        found, about = {}, {"title": title, "model": model, "settings": settings}
        for protocol, splits in self.protocols.items():
            scores = []
            with measure() as cost:
                for fitted_on, judged, _ in splits:
                    rows = self.rows_for(fitted_on["story_id"], sources)
                    of_judged = decision_scores(pipeline.fit(rows, rows["genre"]), judged)
                    scores.append(comparison.score_table(judged, of_judged, list(pipeline.classes_)))
            about |= {"training_set": count_sources(rows), "train": cost}
            found[protocol] = self.keep_result(approach, protocol, pd.concat(scores, ignore_index=True), **about)
        return found

    def fit_fused(self, parts: dict[str, Pipeline], sources: dict[int, tuple[str, ...]]) -> Fused:
        """Fit a combination for every split of both protocols.

        Args:
            parts: by name.
            sources: of the training rows, by fold.
        """
        fused = Fused()
        for protocol, splits in self.protocols.items():
            with measure() as fused.costs[protocol]:
                for fitted_on, judged, fold in splits:
                    model = FusedClassifier(parts, self.run.seed)
                    model.fit(fitted_on, lambda ids, fold=fold: self.rows_for(ids, sources[fold]))
                    fused.models[fold], fused.scores[fold] = model, model.scores(judged)
        return fused

    def fused_scores(self, protocol: str, fused: Fused, names: list[str] | None = None) -> pd.DataFrame:
        """Probabilities of the judged stories, as `predictions` takes them: from all parts of a combination, or from some."""
        tables = []
        for _, judged, fold in self.protocols[protocol]:
            model = fused.models[fold]
            tables.append(comparison.score_table(judged, model.combine(fused.scores[fold], names), model.genres))
        return pd.concat(tables, ignore_index=True)

    def keep_fused(
        self, approach: str, title: str, model: str, fused: Fused, sources: dict[int, tuple[str, ...]], latency: float | None
    ) -> dict[str, dict]:
        """Store what a combination predicts under both protocols.

        Args:
            approach, title, model: see `comparison.save_result`.
            fused, sources: see `fit_fused`.
            latency: milliseconds for one story, where they were measured.

        Returns:
            The result of each protocol.
        """
        found = {}
        for protocol, splits in self.protocols.items():
            last, _, fold = splits[-1]
            found[protocol] = self.keep_result(
                approach,
                protocol,
                self.fused_scores(protocol, fused),
                title=title,
                model=model,
                training_set=count_sources(self.rows_for(last["story_id"], sources[fold])),
                settings={
                    "parts": list(fused.models[fold].parts),
                    "weights": {str(fold): fused.models[fold].weights() for _, _, fold in splits},
                },
                train=fused.costs[protocol],
                latency_ms=latency,
            )
        return found

    def keep_setfit(self, variant: str, model: SetFit, fold: int = SEED_SPLIT) -> dict | None:
        """Score the judged stories of one split with a SetFit that was tuned for it, and store what it predicts.

        Args:
            variant: names it: that of `tuned` is stored as `setfit_tuned`.
            model: fitted on the rows of this split; its recipe's `sources` say which.
            fold: 0 to 4, or `SEED_SPLIT`.

        Returns:
            The seed split's result; of a fold, that of all five once they are there (see `comparison.save_fold`).
        """
        [(fitted_on, judged)] = [split[:2] for splits in self.protocols.values() for split in splits if split[2] == fold]
        rows = self.rows_for(fitted_on["story_id"], model.recipe["sources"])
        singles = [judged.iloc[[place]] for place in range(len(judged))]
        scores = comparison.score_table(judged, model.predict_proba(judged), list(model.classes_))
        about = {
            "title": f"SetFit ({variant.replace('_', ', ')})",
            "model": model.encoder_name,
            "settings": model.recipe,
            "training_set": count_sources(rows),
            "train": model.cost,
            "latency_ms": latency_ms(lambda row: model.predict_proba(row, keep=False), singles),
            "notes": _pairs(model.recipe["training"], len(rows)),
        }
        approach = f"setfit_{variant}"
        if fold == SEED_SPLIT:
            return self.keep_result(approach, "seed_split", scores, **about)
        predictions = comparison.predictions_from_scores(judged, scores.drop(columns="story_id"), list(scores)[1:], fold)
        return comparison.save_fold(self.run, approach, predictions, scores=scores, dataset=self.facts, **about)


def _pairs(training: dict, rows: int) -> str:
    """How many pairs were drawn, and how many the seed's settings would draw; empty where whole batches were compared."""
    drawn = training.get("num_iterations", 0) * training["num_epochs"]
    instead = f" instead of {40 * rows:,}" if drawn != 20 else ""
    return f"{2 * drawn * rows:,} pairs{instead}" if drawn else ""


def result_table(results: dict[str, dict[str, dict]], against: dict[str, dict[str, dict]] | None = None) -> pd.DataFrame:
    """Results under both protocols, a row each: accuracy with its interval, macro F1, top-3 and the seconds of five folds.

    Args:
        results: by name, the results of both protocols.
        against: by the same names, results that they are compared with, over five folds.
    """
    lines = []
    for name, found in results.items():
        m, split = found["five_fold"]["metrics"], found["seed_split"]["metrics"]
        lines.append(
            {
                "": found["five_fold"]["title"],
                "five folds": f"{m['accuracy']:.1%} ± {m['accuracy_sd']:.1%}",
                "95 % interval": f"{m['accuracy_low']:.1%} to {m['accuracy_high']:.1%}",
                "macro F1": f"{m['f1_macro']:.3f}",
                "top-3": f"{m['top3']:.1%}",
                "seed split": f"{split['accuracy']:.1%} ({split['accuracy_low']:.0%} to {split['accuracy_high']:.0%})",
                "seconds": f"{found['five_fold']['cost']['train']['seconds']:.0f}",
            }
        )
        if against:
            predictions = (found["five_fold"]["predictions"], against[name]["five_fold"]["predictions"])
            lines[-1]["against"] = comparison.versus(*predictions)
    return pd.DataFrame(lines).set_index("")
