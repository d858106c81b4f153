import os
from pathlib import Path

import pytest

os.environ.setdefault("HEADLESS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from tiny_models import build_tokenizer

from helpers import runtime, stories
from helpers.config import PROJECT

_REAL = [os.environ.get("STORIES_CSV"), PROJECT.parent / "shared" / "data" / "1k_stories_100_genre.csv"]
REAL_DATASET = next((Path(path) for path in _REAL if path and Path(path).is_file()), None)


@pytest.fixture(autouse=True)
def no_dataset_of_the_machine(monkeypatch):
    """Only tests that ask for the real dataset see it."""
    monkeypatch.delenv("STORIES_CSV", raising=False)
    monkeypatch.delenv("WORKSPACE", raising=False)


@pytest.fixture
def run(tmp_path):
    """A run of the smoke profile in a workspace of its own."""
    return runtime.start("smoke", str(tmp_path / "workspace"))


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level tokenizer of 400 tokens, for `tiny_models`."""
    return build_tokenizer()


@pytest.fixture
def real_csv():
    if REAL_DATASET is None:
        pytest.skip("the real dataset is not on this machine; set STORIES_CSV")
    return REAL_DATASET


@pytest.fixture
def sample(run):
    """The sample corpus as `01_clean` leaves it."""
    table, _ = stories.load_stories(run)
    table["text_clean"] = table["text"].map(stories.clean_text)
    return stories.add_split_and_folds(table)[0]
