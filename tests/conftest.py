import os
from pathlib import Path

import pytest

os.environ.setdefault("HEADLESS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from helpers import runtime, stories
from helpers.benchmarks.gpu.standins import build_tokenizer, eight_stories
from helpers.config import PROJECT

_REAL = [os.environ.get("STORIES_CSV"), PROJECT.parent / "shared" / "data" / "1k_stories_100_genre.csv"]
REAL_DATASET = next((Path(path) for path in _REAL if path and Path(path).is_file()), None)


def pytest_collection_modifyitems(items):
    """The series takes longest and begins first (`make test` runs a class or module in one of two processes)."""
    items.sort(key=lambda item: item.module.__name__ != "test_series")


def pytest_generate_tests(metafunc):
    """Tests marked `number_types` run in fp32 and in bf16, whatever this CPU would choose."""
    if metafunc.definition.get_closest_marker("number_types"):
        metafunc.parametrize("number_type", ["fp32", "bf16"], indirect=True)


@pytest.fixture(autouse=True)
def number_type(request, monkeypatch):
    """Number type of every run that a test starts; fp32 where the test does not ask for both."""
    monkeypatch.setenv("DTYPE", getattr(request, "param", "fp32"))
    return os.environ["DTYPE"]


@pytest.fixture(autouse=True)
def no_dataset_of_the_machine(monkeypatch):
    """Only tests that ask for the real dataset see it."""
    monkeypatch.delenv("STORIES_CSV", raising=False)
    monkeypatch.delenv("WORKSPACE", raising=False)


@pytest.fixture
def run(tmp_path):
    """A run of the smoke profile, with all genres of the sample, in a workspace of its own."""
    return runtime.start("smoke", str(tmp_path / "workspace"), genres=24)


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level tokenizer of 400 tokens, for `tiny_models`."""
    return build_tokenizer()


@pytest.fixture
def eight():
    """Eight stories of four genres, two of whose names begin alike."""
    return eight_stories()


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
