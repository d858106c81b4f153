"""Datasets of the Hugging Face Hub: by name, configuration and split, without running or unpickling anything of theirs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.config import find_path
from helpers.stories.files import name_classes

HUB_DATASET = "FareedKhan/1k_stories_100_genre"
_SAFE = {"csv", "json", "parquet", "arrow", "text", "cache"}
"""How files of a dataset may be read: the formats that hold data alone (`cache`: read as one of these before)."""


def read_hub(name: str, split: str = "train") -> pd.DataFrame:
    """Read one split of a dataset; labels that are numbers of named classes come as names.

    Args:
        name: `owner/name` on the Hub, with `:configuration` behind it where a dataset has several; or a local folder of such files.
        split: of the dataset, a part such as `train[:1000]` included.

    Raises:
        ValueError: the dataset cannot be had, or has no such split; the message says what there is.
    """
    from datasets import DatasetBuilder, load_dataset_builder

    address, _, configuration = name.partition(":")
    folder = find_path(address)
    if folder is None and not (in_cache(address) or _hub_answers()):
        raise ValueError(
            f"HUB_DATASET names {name!r}, but the Hugging Face Hub does not answer, and it is in no cache here. Connect, or download it and "
            "give the file as STORIES_CSV."
        )
    # Of the project's own dataset only the CSV: its repository also holds a pickle of genre names, which nobody needs.
    files = {"data_files": "*.csv"} if address == HUB_DATASET else {}
    try:
        builder: DatasetBuilder = load_dataset_builder(str(folder or address), configuration or None, **files)
        if builder.name not in _SAFE:
            raise ValueError(f"its files are of the kind {builder.name!r}, and not of {', '.join(sorted(_SAFE - {'cache'}))}")
        builder.download_and_prepare()
        rows = builder.as_dataset(split=split)
    except Exception as error:  # of many libraries: HTTP, files, formats, configurations
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"HUB_DATASET={name!r}, HUB_SPLIT={split!r} cannot be loaded: {said}") from None
    return name_classes(rows.to_pandas(), rows.features)


def in_cache(name: str) -> bool:
    """Whether a dataset was loaded on this machine before."""
    import datasets

    return (Path(datasets.config.HF_DATASETS_CACHE) / name.replace("/", "___")).is_dir()


def _hub_answers() -> bool:
    from helpers.models import hub_answers

    return hub_answers()
