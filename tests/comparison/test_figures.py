"""Figures: drawn once, labelled, families together.

Written for: notebooks that showed every figure twice, as a cell's value and once more by themselves.
"""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers import stories
from helpers.comparison.figures import confusion, genre_counts, genre_map, genre_similarity, story_lengths, training_loss
from helpers.comparison.metrics import predictions_from_scores


@pytest.fixture
def predictions(sample):
    genres = sorted(sample["genre"].unique())
    scores = np.random.default_rng(0).random((len(sample), len(genres)))
    return predictions_from_scores(sample, scores, genres)


def test_every_figure_is_labelled_and_closed(sample, predictions):
    genres = stories.by_family(sample["genre"])
    vectors = np.random.default_rng(0).normal(size=(30, 8))
    drawn = [
        genre_counts(sample),
        story_lengths(sample, {"encoder": 200}),
        genre_similarity(np.eye(len(genres)), genres),
        confusion(predictions, "title"),
        training_loss({"run": [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}]}, uniform=2.0),
        genre_map({"before": vectors, "after": -vectors}, sample["genre"].head(30), np.arange(30) % 3 == 0),
    ]
    assert plt.get_fignums() == []
    assert all(figure.axes[0].get_title() for figure in drawn)


def test_confusion_rows_are_shares_in_family_order(predictions):
    axes = confusion(predictions, "title").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == stories.by_family(predictions["genre"])
    shares = axes.collections[0].get_array().reshape(len(labels), -1)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_notebook_shows_a_figure_with_an_alt_text(sample):
    shell = InteractiveShell.instance()
    try:
        figure = genre_counts(sample)
        shown, about = shell.display_formatter.format(figure)
    finally:
        InteractiveShell.clear_instance()
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert figure.axes[0].get_title() in about["image/png"]["alt"] and figure.axes[0].get_xlabel() in about["image/png"]["alt"]
