"""Texts in any script.

Written for: Hindi that was cut at its vowel signs, decomposed accents that were cut at every accent, a Chinese story that was one word long, and good French
answers that were refused.
"""

import hashlib
import unicodedata

import pandas as pd
import pytest

from helpers import stories
from helpers.representations import lexical
from helpers.words import tokens

CHINESE = "老渔夫独自住在海边，每天夜里数着经过的船只。有一天夜里，一条船也没有经过。"
THAI = "ผู้เฒ่าคนหนึ่งอาศัยอยู่ริมทะเล"
HINDI = "हिन्दी में कहानी बहुत अच्छी है।"
FRENCH = "La pluie tombait depuis trois jours quand Mathilde poussa la porte de la librairie du vieux libraire."


def test_cleaning_of_the_real_dataset_is_what_it_always_was(run, real_csv):
    """Recipes of SetFit and caches go by these texts: all 1,000, by their hash."""
    table, _ = stories.load_stories(run, str(real_csv))
    cleaned = "\n".join(table["text"].map(stories.clean_text))
    assert hashlib.sha256(cleaned.encode()).hexdigest() == "ef5f73abaadae1f33c9d1feb36794ba98f9db63ce27db07bfa7c3b73256bef64"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (HINDI, "हिन्दी में कहानी बहुत अच्छी है"),
        ("الْعَرَبِيَّة، لغة!", "الْعَرَبِيَّة لغة"),
        (THAI + "!", THAI),
        (unicodedata.normalize("NFD", "Café noir, À bientôt"), "café noir à bientôt"),
        ("می\u200cخواهم", "میخواهم"),
        ("soft\u00adly \ufeffspoken", "softly spoken"),
        ("I \u2764\ufe0f it, 2\ufe0f\u20e3 times", "i it 2 times"),
        ("看https://a.b/c?d=1然后走了", "看 然后走了"),
        ("a \u0301 b", "a b"),
    ],
)
def test_cleaning_never_cuts_a_word_at_its_marks(text, cleaned):
    assert stories.clean_text(text) == cleaned


def test_tokens_of_latin_text_are_scikit_learns():
    text = "The Café_noir's 3 owners don't e-mail; naïve Å a b2 … and so on"
    pattern = lexical.word_svm().steps[1][1].__class__.__mro__[1](token_pattern=r"(?u)\b\w\w+\b").build_tokenizer()
    assert tokens(text) == pattern(text)


def test_tokens_keep_marks_and_pair_the_letters_of_scripts_without_spaces():
    assert tokens(HINDI) == ["हिन्दी", "में", "कहानी", "बहुत", "अच्छी", "है"]
    assert tokens("cafe\u0301 café") == ["café", "café"]
    assert tokens("老渔夫 iPhone手机") == ["老渔", "渔夫", "iPhone", "手机"]
    assert all(len(stories.clean_text(token)) >= 2 for token in tokens(THAI))


def test_words_are_counted_by_letters_where_no_spaces_part_them():
    assert stories.count_words("one two, three") == 3 and stories.count_words("") == 0
    assert 18 <= stories.count_words(CHINESE) <= 30 and 4 <= stories.count_words(THAI) <= 9
    assert stories.is_unspaced(CHINESE) and stories.is_unspaced(THAI) and not stories.is_unspaced(HINDI + FRENCH)
    short = stories.shorten_middle(CHINESE * 10, 0.2)
    assert len(short) < 100 and short.startswith("老渔夫") and " [...] " in short


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Great phone number 3, it isn't slow.", "English"), (FRENCH, "French"), (CHINESE, "Chinese"), (THAI, "Thai"), (HINDI, "Devanagari letters"),
        ("昔々、あるところにおじいさんとおばあさんが住んでいました。", "Japanese"), ("Жил-был старик со старухой у самого моря.", "Cyrillic letters"),
        ("Der Hund lief über die Wiese und bellte, weil er den Ball nicht fand.", "German"), ("12 34", "no letters"), ("", "no letters"),
    ],
)  # fmt: skip
def test_languages_are_told_by_letters_and_everyday_words(text, name):
    language = stories.language_of([text])
    assert language.name == name and language.is_english == (name == "English")
    assert bool(language.request) == (name not in ("English", "no letters"))


def test_the_real_and_the_sample_stories_are_english(run, sample):
    assert stories.language_of(sample["text"]).is_english


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("老渔夫独自住在海边数着船只", "年轻的商人走遍城市寻找黄金"),
        ("ผู้เฒ่าอาศัยอยู่ริมทะเลนับเรือ", "พ่อค้าหนุ่มเดินทางทั่วเมืองหาทอง"),
        ("बूढ़ा मछुआरा समुद्र के किनारे रहता था", "युवा व्यापारी सोने की खोज में शहर गया"),
        ("الصياد العجوز يعيش قرب البحر", "التاجر الشاب يبحث عن الذهب في المدينة"),
    ],
)
def test_words_of_any_script_tell_classes_apart(one, other):
    names = [chr(0x4E00 + n) + str(n) for n in range(10)]
    rows = [
        {"title": "", "text": f"{name} {text}", "genre": genre} for genre, text in (("a", one), ("b", other)) for name in names
    ]
    table = pd.DataFrame(rows)
    train, judged = table.iloc[::2], table.iloc[1::2]
    model = lexical.word_svm().fit(train, train["genre"])
    assert (model.predict(judged) == judged["genre"]).all()
    assert len(model[1].vocabulary_) > 20


def test_few_short_texts_without_a_common_word_can_be_fitted():
    table = pd.DataFrame({"title": "", "text": [f"unique{n} word{n}" for n in range(10)], "genre": ["a", "b"] * 5})
    assert lexical.word_svm().fit(table, table["genre"]).predict(table).tolist() == table["genre"].tolist()
    with pytest.raises(ValueError, match="None of the 10 texts to train on holds a word"):
        lexical.word_svm().fit(table.assign(text="!"), table["genre"])


def test_chinese_is_chunked_at_its_sentences():
    table = pd.DataFrame({"story_id": ["1"], "title": "", "genre": "X", "text": [CHINESE * 100]})
    chunks = stories.chunk_stories(table)
    assert chunks["text"].str.len().max() <= 2000 and len(chunks) > 1
    assert sum(text.strip("。").endswith(("过", "只")) for text in chunks["text"]) == len(chunks)
    assert stories.chunk_stories(table.head(0)).empty
