"""The folder that a classifier is: `config.json`, a model card, and for each part its head and what it reads with.

`config.json` names every other file with its size and hash; nothing else in the folder is read. Loading checks the version, the hashes, and that
every part reads as it did when it was saved.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from helpers.takeaway import heads, texts
from helpers.takeaway.calibration import Calibration
from helpers.takeaway.card import model_card
from helpers.takeaway.readers import PROBE, TitledText, load_reader
from helpers.workspace import check, saving, whole

FORMAT = 1
"""Version of what is written here. Another one is refused, and both are named."""
CONFIG, CARD, TENSORS = "config.json", "README.md", "tensors.safetensors"
_LIBRARIES = ("scikit-learn", "numpy", "onnxruntime", "tokenizers", "skops", "torch", "transformers", "sentence-transformers")
_FILE = re.compile(r"[\w ,.-]+(/[\w ,.-]+)?")


def save(classifier, folder: Path) -> Path:
    """Write a classifier as a folder.

    A classifier that stands there already is replaced as a whole; anything else is left alone.

    Raises:
        FileExistsError: the folder holds something else.
        DriveGone, DiskFull: see `helpers.workspace`; what stood there stays.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / CONFIG).exists())):
        raise FileExistsError(f"{folder.name} holds something that is no classifier: give another folder.")
    content, parts, tensors = {}, [], {}
    for number, (name, part) in enumerate(classifier.parts.items(), 1):
        place = f"{number} {re.sub(r'[^A-Za-z0-9]+', ' ', name).strip()}".replace(" ", "-")
        content |= {f"{place}/{file}": held for file, held in part.reader.files().items()}
        content[f"{place}/head.skops"] = heads.to_bytes(part.head)
        tensors[f"{place}/fusion"] = np.array([part.weight, part.mean, part.deviation])
        if not isinstance(part.reader, TitledText):
            tensors[f"{place}/probe"] = np.asarray(part.reader.transform(PROBE), dtype=np.float32)
        parts.append({"name": name, "folder": place, "reads": part.reader.recipe})
    content[TENSORS] = safetensors.numpy.save(tensors)
    calibration = classifier.calibration
    config = {
        "format": FORMAT,
        "made": {
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "with": _versions(),
        },
        "labels": classifier.classes_.tolist(),
        "parts": parts,
        "calibration": {name: getattr(calibration, name) for name in ("method", "parameters", "loss")},
        "usual": classifier.usual.asdict(),
        "sure": classifier.sure,
        "about": classifier.about,
        "files": {name: {"sha256": _hash(held), "bytes": len(held)} for name, held in sorted(content.items())},
    }
    unfinished, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    for leftover in (unfinished, old):
        shutil.rmtree(leftover, ignore_errors=True)
    content[CONFIG] = (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()
    content[CARD] = model_card(config, folder.name).encode()
    try:
        with saving(folder):
            for name, held in content.items():
                with whole(unfinished / name) as part:
                    part.write_bytes(held)
            check(folder)
            if folder.exists():
                os.replace(folder, old)
            os.replace(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return folder


def load(kind, name: str | Path, revision: str | None = None):
    """A classifier of the class `kind`; see `GenreClassifier.load`."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        from helpers.takeaway.hub import fetch

        folder = fetch(str(name), revision)
    config = read_config(folder)
    content = _content(folder, config)
    try:
        return _build(kind, config, content)
    except (KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"{folder.name}/{CONFIG} is not as this project writes it ({error!r}). Get the classifier again."
        ) from None


def read_config(folder: Path) -> dict:
    """The configuration of a saved classifier.

    Raises:
        ValueError: the folder is no classifier, or one of another version.
    """
    file = folder / CONFIG
    if not file.is_file():
        held = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise ValueError(f"{folder.name} is no classifier of this project: it has no {CONFIG}, but {held}.")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{folder.name}/{CONFIG} cannot be read ({error}). Get the classifier again from where it came."
        ) from None
    made = config.get("format") if isinstance(config, dict) else None
    if made is None or not isinstance(config.get("files"), dict):
        raise ValueError(f"{folder.name} is no classifier of this project: its {CONFIG} is of another kind.")
    if made != FORMAT:
        newer = isinstance(made, int) and made > FORMAT
        do = "Update the project" if newer else "Save it again with this project"
        raise ValueError(f"{folder.name} was saved in version {made} of the format; this project reads version {FORMAT}. {do}.")
    return config


def _content(folder: Path, config: dict) -> dict[str, bytes]:
    """Every file that the configuration names, once its hash is found to be right."""
    content = {}
    for name, facts in config["files"].items():
        if not _FILE.fullmatch(name) or ".." in name:
            raise ValueError(f"{folder.name}/{CONFIG} names a file {name!r}, which cannot be one of a classifier.")
        file = folder / name
        if not file.is_file():
            raise ValueError(f"{folder.name} lacks its file {name}. Get the classifier again from where it came.")
        held = file.read_bytes()
        if _hash(held) != facts["sha256"]:
            raise ValueError(
                f"{folder.name}/{name} was changed since it was saved ({len(held):,} bytes, {facts['bytes']:,} then): it was not loaded. "
                "Get the classifier again from where it came."
            )
        content[name] = held
    return content


def _build(kind, config: dict, content: dict[str, bytes]):
    from helpers.takeaway.classifier import Part

    tensors, parts = safetensors.numpy.load(content[TENSORS]), {}
    for saved in config["parts"]:
        place = saved["folder"]
        try:
            reader = load_reader(saved["name"], saved["reads"], lambda file, place=place: content[f"{place}/{file}"])
            _must_read_the_same(saved, reader, tensors.get(f"{place}/probe"))
        except (ValueError, OSError, KeyError, TypeError):
            raise
        except Exception as error:  # ONNX Runtime's and tokenizers' own kinds
            raise ValueError(f"The part {saved['name']!r} cannot be loaded ({str(error).splitlines()[0][:120]}).") from None
        head = heads.from_bytes(content[f"{place}/head.skops"], f"{place}/head.skops")
        parts[saved["name"]] = Part(reader, head, *map(float, tensors[f"{place}/fusion"]))
    calibration, usual = (
        Calibration(**config["calibration"] | {"parameters": tuple(config["calibration"]["parameters"])}),
        texts.Usual(**config["usual"]),
    )
    classifier = kind(config["labels"], parts, calibration, usual, config["sure"], config["about"])
    classifier.saved = config
    return classifier


def identity(config: dict) -> str:
    """Hash of what a saved classifier predicts with: its labels, parts, files and calibration."""
    used = {name: config[name] for name in ("format", "labels", "parts", "calibration", "usual", "files")}
    return _hash(json.dumps(used, sort_keys=True).encode())


def _must_read_the_same(saved: dict, reader, then: np.ndarray | None) -> None:
    """A part's reader must give the vector that it gave when it was saved: other weights under the same name would be judged by a wrong head."""
    if then is None:
        return
    now = np.asarray(reader.transform(PROBE), dtype=np.float32)
    alike = float((now * then).sum() / (np.linalg.norm(now) * np.linalg.norm(then))) if now.shape == then.shape else 0.0
    if not alike > 0.98:
        raise ValueError(
            f"The part {saved['name']!r} reads otherwise than when it was saved (cosine {alike:.2f}): the model {saved['reads'].get('model')} "
            "that was found here has other weights. Give the one that it was fitted with."
        )


def _hash(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
