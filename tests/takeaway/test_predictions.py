"""What may be given to a classifier, and what is said of it.

Written for: classifiers that answer "Western, 100 %" to an empty line, and lists of a thousand texts lost to one that is no text.
"""

import numpy as np
import pandas as pd
import pytest

STORY = (
    "The sheriff tied his horse outside the saloon and loosened the revolver at his belt. Nobody in Dry Creek had seen the rustlers since Sunday, "
    "but the cattle were gone and the trail led north. He wanted a posse before nightfall, and three cowboys put down their cards and stood."
)
REFUSED = {
    "None": (None, "no text"),
    "not a number": (float("nan"), "no text"),
    "pandas' missing value": (pd.NA, "no text"),
    "a number": (42, "not a text but int: '42'"),
    "a list inside the list": (["a text"], "not a text but list"),
    "a dict": ({"text": "a text"}, "not a text but dict"),
    "bytes": (b"a text", "not a text but bytes"),
    "empty": ("", "empty text"),
    "blanks": (" \n\t\u00a0", "empty text"),
    "punctuation alone": ("... --- !!! ***", "no letters"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_classified_is_one_error_or_a_row_that_says_why(loaded, what):
    bad, why = REFUSED[what]
    found = loaded.classify([STORY, bad, STORY])
    assert found["predicted"].tolist() == ["Western", "", "Western"] and why in found["note"][1]
    assert np.isnan(found["confidence"][1]) and found["likeliest"][1] == []
    with pytest.raises(ValueError, match="Text 1 cannot be classified"):
        loaded.predict([STORY, bad, STORY])


REMARKED = {
    "five words": ("The sheriff rode into town.", "only 5 words"),
    "a megabyte": (STORY * 3000, "only the first 200,000 of"),
    "another language": (
        "Der Sheriff band sein Pferd vor dem Saloon fest und lockerte den Revolver an seinem Gürtel. Niemand hatte die Viehdiebe seit Sonntag gesehen, "
        "aber die Rinder waren fort, und die Spur führte nach Norden. Vor Einbruch der Nacht wollte er noch Männer zusammenrufen.",
        "of its words are known",
    ),
}


@pytest.mark.parametrize("what", REMARKED)
def test_what_is_unlike_the_training_texts_is_classified_and_remarked_on(loaded, what):
    text, remark = REMARKED[what]
    found = loaded.classify([text]).iloc[0]
    assert found["predicted"] in loaded.classes_ and remark in found["note"]


def test_ordinary_stories_get_no_remark(loaded, fitted):
    _, _, others = fitted
    assert (loaded.classify(others["text"], others["title"])["note"] == "").mean() > 0.95


ODD = {
    "Windows' line ends": STORY.replace(". ", ".\r\n"),
    "a lone surrogate": STORY + " \ud83d",
    "a zero byte": STORY + "\x00",
    "emoji and other scripts": STORY + " 🤠 牛仔 ковбой",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_letters_do_no_harm(loaded, what):
    assert loaded.predict([ODD[what]]).tolist() == ["Western"]


@pytest.mark.parametrize(
    "given, titles, error, message",
    [
        (STORY, None, TypeError, r"write \[text\]"),
        ([STORY], "Dry Creek", TypeError, r"write \[title\]"),
        ([STORY], ["one", "two"], ValueError, "1 texts and 2 titles"),
        (7, None, TypeError, "A list of texts is expected, not int"),
        (pd.DataFrame({"text": [STORY]}), None, TypeError, "not DataFrame"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(loaded, given, titles, error, message):
    for call in (loaded.predict, loaded.classify):
        with pytest.raises(error, match=message):
            call(given, titles)


@pytest.mark.parametrize("options", [{"top": 0}, {"abstain": 1.5}, {"abstain": -0.1}])
def test_an_impossible_option_is_refused(loaded, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        loaded.classify([STORY], **options)


def test_nothing_is_nothing(loaded):
    assert loaded.classify([]).empty and loaded.predict_proba([]).shape == (0, 6)


def test_below_the_confidence_asked_for_it_says_nothing_but_shows_what_it_would_have(loaded, fitted):
    _, _, others = fitted
    free = loaded.classify(others["text"], others["title"], top=3)
    limit = float(free["confidence"].median())
    held = loaded.classify(others["text"], others["title"], top=3, abstain=limit)
    unsure = free["confidence"] < limit
    assert 0 < unsure.sum() < len(others)
    assert (held["predicted"][unsure] == "").all() and held["note"][unsure].str.startswith("not sure enough").all()
    assert (held["predicted"][~unsure] == free["predicted"][~unsure]).all()
    assert held["likeliest"].map(len).eq(3).all() and (held["likeliest"] == free["likeliest"]).all()
    first = free["likeliest"].map(lambda pairs: pairs[0])
    assert [label for label, _ in first] == free["predicted"].tolist() and [p for _, p in first] == free["confidence"].tolist()


def test_a_title_counts(loaded):
    plain, titled = loaded.predict_proba([STORY, STORY], ["", "The Haunted Starship"])
    assert not np.allclose(plain, titled)


def test_progress_is_shown_when_asked_for(loaded, capsys):
    loaded.predict([STORY] * 3, progress=True)
    assert "3/3" in capsys.readouterr().err
    loaded.predict([STORY] * 3)
    assert not capsys.readouterr().err
