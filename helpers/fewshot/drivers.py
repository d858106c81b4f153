"""What drives accuracy, measured over five folds: stories a genre, the title, how much of a story is read; and folds that were drawn anew.

Usage: `python -m helpers.fewshot.drivers --profile cpu` (`make drivers`), after `01_clean` has run with the same profile. Embeddings come from the
workspace's cache where 06 has left them; `results/learning_curve/` keeps what was predicted, for 07. With `--setfit` (hours on a CPU, after 06) other
folds also judge what 06 pools with the tuned SetFit. With `--augmentation 0 1` (an hour a split) SetFit is also tuned on each
training set of 03, for the seed split and these folds: what augmentation is worth to a tuned encoder.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers import models, runtime, stories
from helpers.augmentation.rows import TRAINED_ON, training_set
from helpers.augmentation.worth import TRAINING_SETS, TUNED_WORTH, measure_worth, read_worth, worth_as_text
from helpers.comparison.approaches import APPROACHES, POOLS
from helpers.comparison.drivers import DRAWN, DRIVERS, read_drivers
from helpers.comparison.measurements import begin_measurement, keep_judged
from helpers.comparison.metrics import predictions_from_scores
from helpers.comparison.store import read_result
from helpers.fewshot.classifiers import build_parts, variants
from helpers.fewshot.fusion import FusedClassifier, log_pool
from helpers.fewshot.judging import Judging
from helpers.fewshot.setfit import SetFit, encoder_to_tune
from helpers.measuring import progress_line
from helpers.representations import lexical, sentences
from helpers.representations.scores import decision_scores
from helpers.runtime import Run

SIZES = (2, 4, 6, 8)
TOKENS = (64, 256, 1024)
SEEDS = (7, 2026)
"""Folds that nothing was chosen on."""
WHOLE, SAME = ("stories a genre", "all"), (("title", "with"), ("tokens read", "all"))
"""The setting that leaves nothing out, and its other names: it is measured once."""
WORDS, ENCODER, FAST, ACCURATE = "words", "frozen encoder", "fast: words + encoder", "accurate"


def measure_drivers(run: Run, table: pd.DataFrame, facts: dict, setfits: dict[str, dict] | None = None) -> pd.DataFrame:
    """Judge every story once in each setting, by models that were fitted on the originals of the other folds.

    The models are words, the frozen encoder, and both fused (the best that is fitted in minutes). On folds that were drawn anew it is the fast and the
    accurate classifier, fitted on all rows that may train. A run that was cut off goes on with the setting that it was in.

    Args:
        run: the running notebook.
        table: story table with `fold`.
        facts: facts of the dataset.
        setfits: recipes of the `SetFit`s that are pooled with a classifier on folds that were drawn anew, by the names of
            `POOLS`; None: no encoder is tuned.

    Returns:
        See `comparison.drivers.read_drivers`.
    """
    folder = run.workspace / "results" / DRIVERS
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    setting = {"dataset": facts, "encoder": label, "facts": run.facts}
    done = begin_measurement(folder, setting, ("study", "value", "model"))
    settings = [
        (study, value, name, fit)
        for study, value, fits in _settings(run, table, encoder, label, setfits or {})
        for name, fit in fits.items()
    ]
    left = [s for s in settings if not ((done["study"] == s[0]) & (done["value"] == s[1]) & (done["model"] == s[2])).any()]
    begin = time.perf_counter()
    for place, (study, value, name, judge) in enumerate(left, 1):
        kept = done[(done["study"] == WHOLE[0]) & done["value"].str.startswith(WHOLE[1]) & (done["model"] == name)]
        if (study, value) not in SAME or kept.empty:
            kept = pd.concat([judge(int(fold)) for fold in sorted(table["fold"].unique())])
        kept = kept[["story_id", "fold", "genre", "predicted", "truth_rank"]].assign(study=study, value=value, model=name)
        done = keep_judged(folder, done, kept)
        print(progress_line(place, len(left), time.perf_counter() - begin, f"{study} {value}, {name}"), flush=True)
    return read_drivers(run.workspace / "results", facts)


def _settings(run: Run, table: pd.DataFrame, encoder, label: str, setfits: dict[str, dict]):
    """Yield each study's settings: its name, the value, and by model a function of a fold's number that judges that fold."""
    short, _ = models.load_encoder(run, models.PACKAGED_ENCODER)
    short.max_seq_length = 64

    def built(title: bool = True) -> dict[str, dict]:
        beside = ("title",) if title else ()
        opening = sentences.frozen(run, short, label, ("opening", *beside))
        whole = sentences.frozen(run, encoder, label, ("opening", "whole", *beside))
        return {
            WORDS: {"words": lexical.word_svm()},
            ENCODER: {"encoder": whole},
            FAST: {"words": lexical.word_svm(), "opening": opening},
        }

    def judged_by(parts: dict, of: pd.DataFrame, size: int | None = None) -> Callable[[int], pd.DataFrame]:
        return lambda fold: _judge(parts, of, fold, size, run.seed)

    most = table.groupby("genre").size().max() * 4 // 5
    sizes = [size for size in (*SIZES, *(8 * 2**k for k in range(1, 12))) if size < most]
    for size in sizes:
        yield "stories a genre", str(size), {name: judged_by(parts, table, size) for name, parts in built().items()}
    yield "stories a genre", f"all ({most})", {name: judged_by(parts, table) for name, parts in built().items()}
    for value, title in (("with", True), ("without", False)):
        of = table if title else table.assign(title="")
        yield "title", value, {name: judged_by(parts, of) for name, parts in built(title).items()}
    for value in (*TOKENS, None):
        of = table if value is None else table.assign(text=_cut(encoder, table["text"].tolist(), value))
        fits = {name: judged_by(parts, of) for name, parts in built().items() if name != FAST}
        yield "tokens read", "all" if value is None else f"{value:,}", fits
    build = functools.cache(lambda: build_parts(run)[0])  # its models are large: loaded where something is left to measure
    for seed in dict.fromkeys((run.seed, *SEEDS)):
        of, _ = stories.add_split_and_folds(table, seed)

        def rows_for(ids, of=of) -> pd.DataFrame:
            return training_set(run, of, ids, (*TRAINED_ON, "description"))

        def on_drawn(variant: str, recipe: dict | None = None, of=of, rows_for=rows_for) -> Callable[[int], pd.DataFrame]:
            def judge(fold: int) -> pd.DataFrame:
                parts = build()
                chosen = {name: parts[name] for name in variants(parts)[variant]}
                if recipe:
                    return _judge_pooled(run, chosen, recipe, of, fold, rows_for)
                return _judge(chosen, of, fold, None, run.seed, rows_for)

            return judge

        fused = {FAST: on_drawn("fast"), ACCURATE: on_drawn("accurate")}
        fused |= {POOLS[name].title: on_drawn(POOLS[name].frozen, recipe) for name, recipe in setfits.items()}
        yield DRAWN, str(seed), {WORDS: judged_by(built()[WORDS], of)} | fused


def _cut(encoder, texts: list[str], tokens: int) -> list[str]:
    """The first so many tokens of each text, as the encoder's tokenizer counts them."""
    cut = []
    for text in texts:
        spans = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        cut.append(text[: spans[min(tokens, len(spans)) - 1][1]] if spans else text)
    return cut


def _judge(parts: dict, table: pd.DataFrame, fold: int, size: int | None, seed: int, rows_for=None) -> pd.DataFrame:
    """Predictions for one fold, by parts that were fitted on `size` stories a genre of the others (None for all), drawn with the seed.

    Parts that are fused are fitted on what `rows_for` makes of the stories' ids; on the stories alone, without it.
    """
    train, judged = table[table["fold"] != fold], table[table["fold"] == fold]
    if size:
        order = np.random.default_rng(seed).permutation(len(train))
        train = train.iloc[order].groupby("genre").head(size)
    if len(parts) > 1:
        model = FusedClassifier(parts, seed).fit(train, rows_for or (lambda ids: train[train["story_id"].isin(set(ids))]))
        return predictions_from_scores(judged, model.predict_proba(judged), model.genres, fold)
    (pipeline,) = parts.values()
    pipeline.fit(train, train["genre"])
    return predictions_from_scores(judged, decision_scores(pipeline, judged), list(pipeline.classes_), fold)


def _judge_pooled(run: Run, parts: dict, recipe: dict, table: pd.DataFrame, fold: int, rows_for) -> pd.DataFrame:
    """Predictions for one fold, by fused parts and a SetFit with an equal say, both fitted on what `rows_for` makes of the others' ids."""
    train, judged = table[table["fold"] != fold], table[table["fold"] == fold]
    rows = rows_for(train["story_id"])
    fused = FusedClassifier(parts, run.seed).fit(train, rows_for)
    tuned = SetFit(run, lambda: encoder_to_tune(run), recipe).fit(rows, rows["genre"])
    of_both = ((fused.predict_proba(judged), fused.genres), (tuned.predict_proba(judged), tuned.classes_))
    opinions = [pd.DataFrame(proba, judged["story_id"], genres) for proba, genres in of_both]
    return predictions_from_scores(judged, log_pool(*opinions), fused.genres, fold)


def measure_tuned_worth(run: Run, table: pd.DataFrame, facts: dict, title: str, recipe: dict, folds: list[int]) -> None:
    """What augmentation is worth to a SetFit that is tuned on each training set anew, see `measure_worth`; a run that was cut off goes on.

    Args:
        run: the running notebook.
        table, facts: from `stories.read_stories`.
        title: of the SetFit.
        recipe: see `SetFit`.
        folds: those that judge, beside the seed split.
    """
    protocols = Judging(run, table, facts).protocols
    splits = [*protocols["seed_split"], *(split for split in protocols["five_fold"] if split[2] in folds)]
    sets = {label: sources for label, sources in TRAINING_SETS.items() if label not in ("chunks", "with both")}
    models = {title: SetFit(run, lambda: encoder_to_tune(run), recipe)}
    measure_worth(run, table, facts, models, splits=splits, training_sets=sets, settings=recipe, name=TUNED_WORTH)


def main() -> None:
    """Measure everything that is not measured yet, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--workspace")
    parser.add_argument("--llm", help="a Hub name or a folder; by default the profile's")
    parser.add_argument(
        "--setfit", action="store_true", help="also tune SetFit for each fold that is drawn anew: hours on a CPU"
    )
    parser.add_argument(
        "--augmentation",
        type=int,
        nargs="*",
        metavar="FOLD",
        help="also tune SetFit on each training set, for the seed split and these folds, if any: an hour each on a CPU",
    )
    arguments = parser.parse_args()
    run = runtime.start(arguments.profile, arguments.workspace, llm=arguments.llm)
    table, facts = stories.read_stories(run)

    def recipe_of(approach: str) -> dict:
        if not (judged := read_result(run, approach, "five_fold", facts)):
            parser.error(
                "The tuned SetFit of 06 is repeated, and it has not judged all five folds here: run 06_setfit with SETFIT_FOLDS = True first."
            )
        return judged["settings"]

    setfits = {name: recipe_of(f"setfit_{pool.setfit}") for name, pool in POOLS.items()} if arguments.setfit else None
    tuned = recipe_of("setfit_tuned") if arguments.augmentation is not None else None
    print(measure_drivers(run, table, facts, setfits).round(3).to_string(index=False))
    if tuned:
        measure_tuned_worth(run, table, facts, APPROACHES["setfit_tuned"].title, tuned, arguments.augmentation)
        print(worth_as_text(read_worth(run, facts)[0]).to_string(index=False))


if __name__ == "__main__":
    main()
