"""Large datasets: memory and time that grow with the texts, and not with their square.

Written for: 120,000 news texts that would have needed 240 GB in the notebooks 02 and 03.
"""

import time
import tracemalloc

import numpy as np
import pytest

from helpers import stories
from helpers.augmentation.closeness import MOST_PAIRS, similarities_within, similarity_bounds
from helpers.augmentation.duplicates import NgramIndex


def unit_vectors(count, dimensions=64):
    vectors = np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_hundred_thousand_rows_are_loaded_validated_and_split_in_seconds(tmp_path):
    body = "The council met on Tuesday and it was decided that the road is to be closed until the autumn of the year. " * 4
    with open(tmp_path / "mine.csv", "w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(f'"{n}: {body}",topic {n % 50}\n' for n in range(100_000))
    size = (tmp_path / "mine.csv").stat().st_size
    begin = time.process_time()
    tracemalloc.start()
    table, _ = stories.validate(stories.read_table(tmp_path / "mine.csv"))
    table, notes = stories.add_split_and_folds(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        len(table) == 100_000
        and not notes
        and table["split"].value_counts().to_dict() == {"train": 80_000, "validation": 10_000, "test": 10_000}
    )
    assert time.process_time() - begin < 120 and peak < 12 * size


def peak_of(function, *arguments):
    tracemalloc.start()
    function(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("function", [similarity_bounds, similarities_within])
@pytest.mark.parametrize("classes", [4, 400])
def test_similarities_take_a_bounded_memory(function, classes):
    peaks = [peak_of(function, unit_vectors(n), [f"g{i % classes}" for i in range(n)]) for n in (2000, 16_000)]
    assert peaks[1] < 3 * peaks[0] + 20e6 and peaks[1] < 60e6


def test_bounds_of_a_part_are_those_of_all():
    vectors, genres = unit_vectors(1500), np.array(["a", "b", "c"])[np.arange(1500) % 3]
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, np.nan)
    same = similarity[genres[:, None] == genres[None, :]]
    bounds = similarity_bounds(vectors, genres)
    assert bounds.near == pytest.approx(np.quantile(np.nanmax(similarity, axis=1), 0.99), abs=1e-6)
    assert bounds.drift == pytest.approx(np.nanquantile(same, 0.95), abs=0.01)
    few = similarities_within(vectors[:300], genres[:300])
    assert len(few) == 3 * 100 * 99 / 2 and len(similarities_within(vectors, genres)) <= MOST_PAIRS


def test_the_index_of_word_sequences_says_what_comparing_them_one_by_one_says():
    rng = np.random.default_rng(0)
    words = np.array([f"w{n}" for n in range(30)])
    texts = {str(n): " ".join(words[rng.integers(0, 30, 60)]) for n in range(40)}
    texts["copy"] = texts["3"] + " and one more"
    index = NgramIndex(texts)

    def grams(text):
        found = stories.clean_text(text).split()
        return {tuple(found[i : i + 5]) for i in range(len(found) - 4)}

    for text in list(texts.values())[:5] + ["short", ""]:
        expected = {
            name: len(grams(text) & grams(other)) / len(grams(text))
            for name, other in texts.items()
            if grams(text) & grams(other)
        }
        assert index.shared(text) == pytest.approx(expected)
    assert index.too_close(texts["3"]) == ["3", "copy"]
    index.add("later", texts["5"])
    assert index.too_close(texts["5"]) == ["5", "later"]


def test_a_word_sequence_takes_few_bytes():
    rng = np.random.default_rng(0)
    texts = {str(n): " ".join(map(str, rng.integers(0, 20_000, 200))) for n in range(2000)}
    index = NgramIndex(texts)
    index.shared("one two")
    assert index._grams.nbytes + index._owners.nbytes <= 12 * 2000 * 200


def test_copies_are_found_where_no_spaces_part_the_words():
    one = "老渔夫独自住在海边，每天夜里数着经过的船只。有一天夜里，一条船也没有经过，他才明白大海已经悄悄离开了。"
    other = "年轻的商人走遍了所有的城市，寻找传说中的黄金。最后他发现真正的宝藏是路上遇到的朋友和他们的故事。"
    index = NgramIndex({"one": one, "other": other})
    assert index.too_close(one.replace("老渔夫", "老人")) == ["one"]
