"""Reasons: what is named as a reason is one.

Written for: explanations that look right and are not, words that a story does not hold, and passages whose removal changes nothing.
"""

import numpy as np
import pytest

from helpers.representations.lexical import with_title
from helpers.takeaway import pictures, reasons
from helpers.words import tokens

SPACE = "The starship fired on the imperial fleet, and the rebel captain ordered the fighters out of the hangar toward the burning planet. "
WEST = (
    "The sheriff tied his horse outside the saloon and loosened the revolver at his belt. Nobody in Dry Creek had seen the rustlers since Sunday. "
    "The cattle were gone and the trail led north into the canyon. He wanted a posse before nightfall. Three cowboys put down their cards. "
)


def test_words_are_in_the_text_and_add_up_to_the_linear_parts_say(loaded, fitted):
    _, _, others = fitted
    story = others.iloc[0]
    found = reasons.words(loaded, story["text"], story["title"], most=100_000)
    read = " ".join(with_title(others.head(1))).lower()
    assert all(all(word in read for word in pair.split()) for pair in found["word"])
    assert (np.diff(found["says"]) <= 0).all() and found["says"].iloc[0] > 0 > found["says"].iloc[-1]
    part = loaded.parts["words"]
    logits, constant = part.logits(others.head(1))[0], part.weight / part.deviation * part.head[-1].intercept_
    label = loaded.predict([story["text"]], [story["title"]])[0]
    place = loaded.classes_.tolist().index(label)
    lifted = (logits - constant)[place] - (logits - constant).mean()
    everything = reasons.contributions(loaded, story["text"], story["title"])
    assert sum(everything.values()) == pytest.approx(lifted, abs=1e-6) and len(everything) > len(found)
    assert not {"into", "of the", "their"} & set(found["word"])


def test_a_word_that_speaks_for_a_label_makes_it_less_likely_when_it_is_gone(loaded):
    word = reasons.words(loaded, WEST, label="Western")["word"].iloc[0]
    place = loaded.classes_.tolist().index("Western")
    without = WEST.lower().replace(word, "")
    with_it, gone = loaded.predict_proba([WEST.lower(), without])[:, place]
    assert gone < with_it


def test_removing_the_named_passage_lowers_the_score_more_than_removing_any_other(loaded, fitted):
    _, _, others = fitted
    for story in others.groupby("genre").head(1).itertuples():
        found = reasons.passages(loaded, story.text, story.title)
        label = loaded.predict([story.text], [story.title])[0]
        named = found.loc[found["says"].idxmax(), "passage"]
        assert story.text.count(named) == 1
        place = loaded.classes_.tolist().index(label)
        others_gone = [story.text.replace(passage, "") for passage in found["passage"] if passage != named]
        texts = [story.text, story.text.replace(named, ""), *others_gone]
        whole, without, *rest = loaded.predict_proba(texts, [story.title] * len(texts))[:, place]
        assert without < whole and without <= min(rest) + 1e-3


def test_a_planted_passage_is_found_out(loaded):
    text = WEST + SPACE
    found = reasons.passages(loaded, text, label="Western")
    assert "starship" in found.loc[found["says"].idxmin(), "passage"]
    found = reasons.passages(loaded, text, label="Space Opera")
    assert "starship" in found.loc[found["says"].idxmax(), "passage"]
    says, space, west = (
        reasons.contributions(loaded, text, label="Space Opera"),
        set(tokens(SPACE.lower())),
        set(tokens(WEST.lower())),
    )
    of_space, of_west = (sum(says.get(word, 0) for word in words) for words in (space - west, west - space))
    assert of_space > 0 > of_west


CUT = {
    "sentences": (WEST, 8),
    "quotation marks": ("“Draw!” he said. “Now.” " * 6, 4),
    "without full stops": ("a story that never ends and goes on " * 20, 1),
    "lines": ("first line\nsecond line\n\nthird line\n" * 4, 6),
    "Chinese": ("警长把马拴在酒馆外。没有人看见盗贼！牛不见了，足迹通向北方。" * 3, 5),
    "a single word": ("Western", 1),
}


@pytest.mark.parametrize("what", CUT)
def test_passages_are_the_whole_text_cut_at_ends_of_sentences(what):
    text, most = CUT[what]
    spans = reasons.split_passages(text, 8)
    assert 1 <= len(spans) <= 8 and (len(spans) >= min(most, 4) if most > 1 else len(spans) == 1)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    covered = "".join(text[start:end] for start, end in spans)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(text[start:end].strip() for start, end in spans)


def test_without_reasons_it_says_so(loaded):
    assert reasons.passages(loaded, "One sentence alone.").empty
    with pytest.raises(ValueError, match="no reasons to give: empty text"):
        reasons.words(loaded, " ")
    with pytest.raises(ValueError, match="'Ode' is none of the classifier's labels"):
        reasons.passages(loaded, WEST, label="Ode")


def test_one_figure_tells_a_story(loaded):
    figure = pictures.why(loaded, WEST + SPACE, "Dry Creek")
    first, words, passages = figure.axes
    assert first.get_yticklabels()[0].get_text() == loaded.predict([WEST + SPACE], ["Dry Creek"])[0]
    assert len(words.patches) >= 6 and len(passages.patches) >= 4
    assert "Dry Creek" in figure.get_suptitle()
    single = pictures.why(loaded, "The sheriff loosened the revolver at his belt.")
    assert "a single passage" in single.axes[2].texts[0].get_text()
