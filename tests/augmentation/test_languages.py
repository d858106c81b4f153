"""Stories that are not in English, with a key.

Written for: French, Arabic and Chinese stories whose good paraphrases were asked for with "about 1 words", refused as not English, asked for again and paid twice.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import stories
from helpers.augmentation import asking, gates, planning
from helpers.augmentation.duplicates import NgramIndex
from helpers.augmentation.targets import Answer, Target, count_tokens
from helpers.augmentation.wording import fault_in_words

STORIES = {
    "French": "La pluie tombait depuis trois jours quand Mathilde poussa la porte de la librairie. Le vieux libraire leva les yeux et sourit. ",
    "Arabic letters": "كان الصياد العجوز يعيش وحده قرب البحر ويعد السفن التي تمر كل ليلة حتى جاءت ليلة لم تمر فيها سفينة واحدة. ",
    "Chinese": "老渔夫独自住在海边，每天夜里数着经过的船只。有一天夜里，一条船也没有经过，他才明白大海已经悄悄离开了。",
    "Thai": "ชาวประมงเฒ่าอาศัยอยู่คนเดียวริมทะเล ทุกคืนเขานับเรือที่แล่นผ่าน คืนหนึ่งไม่มีเรือผ่านมาเลยสักลำ ",
    "Devanagari letters": "बूढ़ा मछुआरा समुद्र के किनारे अकेला रहता था और हर रात गुज़रती नावों को गिनता था। एक रात कोई नाव नहीं गुज़री। ",
    "Japanese": "年老いた漁師は海辺で一人で暮らし、毎晩通り過ぎる船を数えていた。ある夜、一隻の船も通らなかった。",
    "Cyrillic letters": "Старый рыбак жил один у моря и каждую ночь считал проходящие корабли. Однажды ночью не прошло ни одного корабля. ",
}
ENGLISH = (
    "The old fisherman lived alone by the sea and counted the ships that passed every night until a night came when none did. "
)


@pytest.mark.parametrize("name", STORIES)
def test_a_good_answer_is_asked_for_at_its_length_and_passes(name):
    text = STORIES[name] * 6
    language = stories.language_of([text])
    assert language.name == name
    target = Target("paraphrase", "Drama", 1, "7", text)
    words = planning.words_wanted(target, None)
    assert words == stories.count_words(text) >= 40
    for task in ("paraphrase", "synthetic"):
        assert not fault_in_words(Target(task, "Drama", 1, "7", text), "", text, words, language)
        nothing_known = Target(task, "Drama", 1, None, "")
        assert not fault_in_words(nothing_known, "", text, len(text.split()))
    assert asking._most_tokens("llama-3.1-8b-instant", words, language.tokens_a_word) > count_tokens(text)


@pytest.mark.parametrize("name", STORIES)
def test_an_answer_in_another_script_is_refused(name):
    text = STORIES[name] * 6
    language = stories.language_of([text])
    words = stories.count_words(text)
    wrong = STORIES["Chinese"] * 6 if language.script == "LATIN" else ENGLISH * 6
    reason = fault_in_words(Target("synthetic", "Drama", 1), "", wrong, words, language)
    assert reason == f"language: the answer is not in {name}"
    english = stories.language_of([ENGLISH])
    reason = fault_in_words(Target("synthetic", "Drama", 1), "", text, words, english)
    assert reason == "language: the answer is not in English"


@pytest.mark.parametrize("name", STORIES)
def test_a_third_of_a_story_is_too_short_in_any_script(name):
    text = STORIES[name] * 9
    language = stories.language_of([text])
    target = Target("paraphrase", "Drama", 1, "7", text)
    reason = fault_in_words(target, "", STORIES[name] * 3, stories.count_words(text), language)
    assert reason.startswith("length: ")


@pytest.mark.parametrize(
    ("answer", "title", "begins"),
    [
        ("标题：海边的老人\n\n老渔夫独自住在海边。", "海边的老人", "老渔夫"),
        ("Titre : La librairie\n\nLa pluie tombait.", "La librairie", "La pluie"),
        ("**العنوان:** البحر\n\nكان الصياد يعيش.", "البحر", "كان"),
        ("老渔夫独自住在海边，每天数着船只。\n\n有一天夜里，没有船经过。", "", "老渔夫"),
        ("बूढ़ा मछुआरा समुद्र के किनारे रहता था।\n\nएक रात कोई नाव नहीं आई।", "", "बूढ़ा"),
        (STORIES["Thai"] * 2 + "\n\n" + STORIES["Thai"], "", "ชาว"),
        ("海边的老人\n\n老渔夫独自住在海边。", "海边的老人", "老渔夫"),
    ],
)
def test_titles_are_found_in_any_language_and_first_paragraphs_are_none(answer, title, begins):
    found, text = gates.strip_answer(answer)
    assert found == title and text.startswith(begins)


def test_prompts_ask_for_the_language_of_the_stories():
    assert stories.language_of([ENGLISH]).request == ""
    assert stories.language_of([STORIES["French"]]).request == " Write in French."
    arabic = stories.language_of([STORIES["Arabic letters"]])
    assert arabic.request.startswith(" Write in the language of these words: ") and "سفينة" in STORIES["Arabic letters"]


def test_the_gates_know_the_language_of_their_stories(run, monkeypatch):
    table = pd.DataFrame(
        {
            "story_id": [str(n) for n in range(12)],
            "title": "",
            "genre": ["海", "山"] * 6,
            "text": [f"第{n}个故事。" + STORIES["Chinese"] * (n + 1) for n in range(12)],
            "split": ["train"] * 10 + ["validation", "test"],
        }
    )
    vectors = np.eye(12, 16, dtype=np.float32) * 0.6 + 0.2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(gates, "embed", lambda run, encoder, label, texts, **options: vectors[: len(texts)])
    checks = gates.Gates(run, None, "none", table)
    assert checks.language.name == "Chinese"
    parent = table.iloc[0]
    target = Target("paraphrase", parent["genre"], 1, parent["story_id"], parent["text"])
    assert checks.judge(target, Answer(parent["text"]), 30).reason.startswith("near-copy: ")
    assert checks.judge(target, Answer(ENGLISH * 3), 30).reason == "language: the answer is not in Chinese"
    index = NgramIndex({"a": parent["text"]})
    assert index.too_close(parent["text"]) == ["a"]


def test_tokens_are_estimated_on_the_safe_side():
    assert count_tokens(ENGLISH) == len(ENGLISH) // 4 + 1
    assert (
        count_tokens(STORIES["Chinese"]) >= len(STORIES["Chinese"])
        and count_tokens(STORIES["Arabic letters"]) >= len(STORIES["Arabic letters"]) // 3
    )
