"""The model card: what the classifier is, how well it does and on what, what it is for and where it fails, whose licences it stands on.

Its head is Hugging Face's form (`model-index`), written by `huggingface_hub`, so that the Hub shows the figures.
"""

from __future__ import annotations

LICENCES = {
    "sentence-transformers/all-MiniLM-L6-v2": "Apache-2.0",
    "sentence-transformers/all-mpnet-base-v2": "Apache-2.0",
    "sentence-transformers/paraphrase-mpnet-base-v2": "Apache-2.0",
    "unsloth/embeddinggemma-300m": "Gemma terms of use (ai.google.dev/gemma/terms)",
    "unsloth/gemma-3-270m": "Gemma terms of use (ai.google.dev/gemma/terms)",
    "Qwen/Qwen2.5-0.5B-Instruct": "Apache-2.0",
    "Qwen/Qwen2.5-1.5B-Instruct": "Apache-2.0",
}
"""Of the base models that the profiles name; of others the card says where to look."""
DATA_LICENCES = {"1k_stories_100_genre": "CC-BY-2.0, Fareed Khan: Thousand Stories, Hundred Genres", "embedded sample": "CC0"}
FIGURES = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "top3": "top-3 accuracy",
    "top5": "top-5 accuracy",
}
PROTOCOLS = {
    "five_fold": "five folds, every story judged once by a model that never saw it",
    "seed_split": "seed split, the test stories",
}


def about(title: str, dataset: dict, training_set: dict, results: list[dict], confidence: dict | None = None) -> dict:
    """What a classifier keeps beside it for its card.

    Args:
        title: what it is, in a line.
        dataset: facts of the dataset, from `stories.read_stories`.
        training_set: rows it was fitted on, by source.
        results: of the same recipe on stories that it was fitted without, as `comparison.save_result` returns them.
        confidence: see `confidence_figures`.
    """
    kept = []
    for result in results:
        figures = {name: value for name, value in result["metrics"].items() if isinstance(value, (int, float))}
        kept.append(
            {"protocol": result["protocol"], "title": result["title"], "metrics": figures} | {"made": result["created_at"]}
        )
    facts = {name: dataset[name] for name in ("source", "sha256", "rows", "genres")}
    return {"title": title, "dataset": facts, "training_set": training_set, "results": kept, "confidence": confidence}


def confidence_figures(judged) -> dict:
    """What the folds say about confidence, as plain figures.

    Args:
        judged: the folds' tables from `calibration.of_judged`, one below the other.
    """
    from helpers.takeaway.calibration import expected_calibration_error, threshold_for

    right, sure = judged["right"].to_numpy(), judged["sure"].to_numpy()
    figures = {"stories": len(judged), "sure_coverage": float(sure.mean())}
    figures["sure_accuracy"] = float(right[sure].mean()) if sure.any() else None
    for when in ("before", "after"):
        figures[f"ece_{when}"] = expected_calibration_error(judged[when].to_numpy(), right)
        figures[f"log_loss_{when}"] = float(judged[f"loss {when}"].mean())
    return figures | {"right_9_of_10": threshold_for(judged["after"].to_numpy(), right)}


def model_card(config: dict, name: str) -> str:
    """The card of a saved classifier as Markdown, from its configuration alone.

    Args:
        config: what stands in `config.json`.
        name: of the classifier.
    """
    told = config["about"]
    models = list(dict.fromkeys(part["reads"]["model"] for part in config["parts"] if part["reads"].get("model")))
    dataset = told.get("dataset") or {}
    lines = ["---", _front_matter(config, name, models).strip(), "---", "", f"# {told.get('title') or name}", ""]
    lines += [f"Tells {len(config['labels'])} labels apart: {_some(config['labels'])}.", ""]
    lines += ["```python", "from helpers.takeaway import GenreClassifier", "", f'classifier = GenreClassifier.load("{name}")']
    lines += [
        'classifier.classify(["The inspector laid the ticket stub on the table ..."], titles=["The Last Train"])',
        "```",
        "",
    ]
    lines += ["## How well", ""]
    lines += _results(told, dataset) or ["It was not judged on stories that it was fitted without.", ""]
    lines += _confidence(config)
    lines += ["## Made of", "", "| part | reads | base model | licence |", "|---|---|---|---|"]
    for part in config["parts"]:
        reads, model = part["reads"], part["reads"].get("model")
        what = reads["kind"] + (f", {reads['tokens']} tokens" if "tokens" in reads else "")
        what += f": {', '.join(reads['reads'])}" if "reads" in reads else ""
        lines.append(
            f"| {part['name']} | {what} | {model or 'none'} | {LICENCES.get(model, 'see its card') if model else ''} |"
        )
    copied = dict.fromkeys(part["reads"]["model"] for part in config["parts"] if part["reads"]["kind"] == "onnx encoder")
    lines += [
        "",
        f"Weights made of these are in this folder: {', '.join(copied)}."
        if copied
        else "No base model's weights are in this folder.",
    ]
    named = [model for model in models if model not in copied]
    lines += [f"Named, to be had when it is loaded: {', '.join(named)}." if named else "Nothing has to be downloaded.", ""]
    lines += ["## Trained on", ""]
    if dataset:
        licence = next((words for known, words in DATA_LICENCES.items() if known in dataset["source"]), "see its source")
        rows = ", ".join(f"{count:,} {source}" for source, count in told["training_set"].items() if count)
        lines += [f"{dataset['source']}: {dataset['rows']:,} texts, {dataset['genres']} labels, SHA-256 `{dataset['sha256']}`."]
        lines += [f"Rows: {rows}. Licence of the texts: {licence}.", ""]
    usual = config["usual"]
    lines += ["## Meant for, and not for", ""]
    lines += [
        "Sorting texts of the kind that it was trained on, with a person who looks at what it is not sure of. Labels that overlap are confused most."
    ]
    lines += [
        f"Shorter texts than {usual['shortest']:,} characters are rare among those it learned from; in a language it never saw it guesses, and its"
    ]
    lines += ["notes say so where few of a text's words are known. It must not decide anything about people.", ""]
    made = config["made"]
    lines += [
        "## Made",
        "",
        f"{made['at']}, Python {made['python']}, " + ", ".join(f"{lib} {v}" for lib, v in made["with"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def _front_matter(config: dict, name: str, models: list[str]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    told, dataset = config["about"], config["about"].get("dataset") or {}
    results = []
    for result in told.get("results", []):
        for figure, words in FIGURES.items():
            if figure in result["metrics"]:
                results.append(
                    EvalResult(
                        task_type="text-classification",
                        dataset_type=dataset["source"].removeprefix("Hub: "),
                        dataset_name=dataset["source"],
                        dataset_split=result["protocol"],
                        dataset_revision=dataset["sha256"],
                        metric_type=figure,
                        metric_name=words,
                        metric_value=round(float(result["metrics"][figure]), 4),
                    )
                )
    card = ModelCardData(
        model_name=name,
        eval_results=results or None,
        base_model=models or None,
        datasets=[dataset["source"].removeprefix("Hub: ")] if dataset.get("source", "").startswith("Hub: ") else None,
        pipeline_tag="text-classification",
        library_name="skops",
        tags=["text-classification", "story-genres"],
        license="other",
    )
    return card.to_yaml()


def _results(told: dict, dataset: dict) -> list[str]:
    if not told.get("results"):
        return []
    lines = ["| judged on | " + " | ".join(FIGURES.values()) + " | stories |", "|---" * (len(FIGURES) + 2) + "|"]
    for result in told["results"]:
        m = result["metrics"]
        cells = [PROTOCOLS.get(result["protocol"], result["protocol"])]
        spread = f" ± {m['accuracy_sd']:.1%}" if "accuracy_sd" in m else ""
        cells.append(f"{m['accuracy']:.1%}{spread} ({m['accuracy_low']:.1%} to {m['accuracy_high']:.1%})")
        cells += [f"{m['f1_macro']:.3f}", f"{m['top3']:.1%}", f"{m['top5']:.1%}", f"{m['n']:,.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        "The same recipe, fitted without the stories it was judged on. What is saved here was fitted on all of them.",
        "",
    ]


def _confidence(config: dict) -> list[str]:
    calibration, sure, figures = config["calibration"], config["sure"], config["about"].get("confidence")
    lines = [
        f"Probabilities are calibrated on stories of the training set, each scored by a fit without it: {calibration['method']}."
    ]
    if figures:
        lines.append(
            f"Over the five folds the expected calibration error is {figures['ece_before']:.3f} before and {figures['ece_after']:.3f} after, "
            f"the log loss {figures['log_loss_before']:.3f} and {figures['log_loss_after']:.3f} nats."
        )
    if sure:
        lines.append(
            f"From a confidence of {sure['threshold']:.2f} on it was right 9 times of 10 on them ({sure['coverage']:.0%} of the stories)."
        )
    if figures and figures["sure_accuracy"] is not None:
        lines.append(
            f"Held against stories that took no part: right in {figures['sure_accuracy']:.1%}, for {figures['sure_coverage']:.0%} of them."
        )
    return [*lines, ""]


def _some(labels: list[str]) -> str:
    return ", ".join(map(str, labels[:8])) + (", ..." if len(labels) > 8 else "")
