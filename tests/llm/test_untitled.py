"""Questions about other people's texts: without titles, without names, in no English, or none at all.

Written for: texts that had no titles, so that 04 and 05 ended in `need at least one array to stack` after all training; and 72 questions about the sample's stories
that were asked about 1,300 invoices, because their row numbers were the sample's ids.
"""

import pandas as pd
import pytest
from tiny_models import causal, lora_config

from helpers import models, stories
from helpers.llm.check import Check, read_checks
from helpers.llm.questions import cut_passages, make_questions, read_questions

CARDS = "My card payment was declined in the shop today and I was charged a fee of {} pounds which I do not understand at all."
NAMED = (
    "The fog lay over the harbour until noon. At the gate of the house, old Marisol turned the key and waited for the cart {}. "
    "Nobody there had ever seen the bell ring by itself. When the cart came, Marisol was already gone from the wall."
)


def table_of(text, count=30, title=""):
    raw = pd.DataFrame(
        {"text": [text.format(n) for n in range(count)], "label": [("card", "loan")[n % 2] for n in range(count)]}
    )
    table = stories.add_split_and_folds(stories.validate(raw.assign(title=title))[0])[0]
    return table.assign(text_clean=table["text"])


def test_the_samples_questions_are_about_the_samples_stories(sample):
    invoices = table_of("Invoice number {} is overdue and the supplier asks for payment.", 1300)
    assert set(sample["story_id"]) <= set(invoices["story_id"]), "their ids are the same"
    assert read_questions(invoices).empty
    assert len(read_questions(sample)) == 72
    assert len(read_questions(sample.assign(text=sample["text"].where(sample.index > 60, "another")))) < 72


def test_untitled_stories_are_asked_for_names_alone():
    questions = make_questions(table_of(NAMED), 6)
    assert set(questions["kind"]) == {"who"} and len(questions) == 6
    assert questions["question"].str.startswith('Who is ____ in this sentence: "').all()
    passages = cut_passages(table_of(NAMED))["passage"]
    assert not passages.str.contains('""').any() and passages.iloc[0].startswith("Story 1, card: ")


@pytest.mark.parametrize(("text", "most", "why"), [(CARDS, 20, "no question can be made of these stories"), (NAMED, 0, "no question is wanted"), ("老渔夫{}独自住在海边。", 9, "no question can be made")])  # fmt: skip
def test_a_check_without_questions_says_so_and_is_left_out(run, tokenizer, capsys, tmp_path, text, most, why):
    from peft import get_peft_model

    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    check = Check(run, table_of(text), tokenizer, encoder, label, most=most)
    assert why in capsys.readouterr().out
    get_peft_model(causal(tokenizer), lora_config("CAUSAL_LM")).save_pretrained(tmp_path / "adapter")
    assert check.measure_adapter("some_approach", causal(tokenizer), "tiny", tmp_path / "adapter").empty
    assert check.table().empty and check.examples() is None and read_checks(run).empty


def test_passages_are_cut_from_a_thousand_stories_at_most(run, tokenizer, monkeypatch):
    from helpers.llm import check as module

    table = table_of(NAMED, 12_000)
    seen = []
    monkeypatch.setattr(module, "cut_passages", lambda library: seen.append(library) or cut_passages(library.head(20)))
    monkeypatch.setattr(module, "retrieve", lambda run, encoder, label, questions, passages, k: [[0, 1]] * len(questions))
    check = Check(run, table, tokenizer, None, "none", most=5)
    assert len(seen[0]) == 1000 and set(check.questions["story_id"]) <= set(seen[0]["story_id"])
