"""Question answering: what is asked, what is retrieved, how answers are compared, and that a switched-off adapter leaves no trace."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import causal, lora_config

from helpers import models
from helpers.llm import answers
from helpers.llm.answers import build_prompts, exact_match, question_examples, token_f1
from helpers.llm.check import Check, memory_table, read_checks
from helpers.llm.questions import _sentences_for, cut_passages, hit_rate, make_questions, read_questions, retrieve
from helpers.representations.sentences import embed

STORY = (
    "The fog lay over the harbour of Ostrava Point until noon. At the gate, old Marisol turned the key and waited for the cart. "
    "Nobody in Ostrava Point had ever seen the bell ring by itself. When the cart came, Marisol was already gone from the wall."
)


@pytest.fixture
def one_story():
    return pd.DataFrame({"story_id": ["7"], "title": ["The Bell"], "genre": ["Mystery"], "text": [STORY], "split": ["test"]})


def test_made_questions_can_be_answered_from_the_story(one_story):
    asked = {kind: _sentences_for(kind, STORY) for kind in ("who", "where", "which title")}
    assert {answer for _, answer in asked["who"]} == {"Marisol"}
    assert {answer for _, answer in asked["where"]} == {"Ostrava Point"}
    for sentence, answer in asked["who"] + asked["where"]:
        assert answer not in sentence and sentence.replace("____", answer) in STORY and answer in STORY.replace(sentence, "")
    many = pd.concat([one_story.assign(story_id=str(i), title=f"Bell {i}") for i in range(9)], ignore_index=True)
    questions = make_questions(many, 6)
    assert questions["kind"].tolist() == ["who", "where", "which title"] * 2 and questions["story_id"].is_unique
    pd.testing.assert_frame_equal(questions, make_questions(many, 6))
    for row in questions.itertuples():
        assert row.answers[0] in ("Marisol", "Ostrava Point") or row.answers == [f"Bell {row.story_id}"]


def test_real_stories_give_questions_of_all_kinds(real_csv, monkeypatch, tmp_path):
    from helpers import runtime, stories

    monkeypatch.setenv("STORIES_CSV", str(real_csv))
    table, _ = stories.load_stories(runtime.start("cpu", str(tmp_path)))
    questions = make_questions(table.head(300), 60)
    assert len(questions) == 60 and questions["kind"].value_counts().tolist() == [20, 20, 20]


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("The rain barrel.", ["rain barrel"], 1.0, 1.0),
        ("in a rain barrel", ["rain barrel"], 0.0, 0.8),
        ("Perla", ["Aling Perla", "Perla"], 1.0, 1.0),
        ("", ["Perla"], 0.0, 0.0),
        ("the", ["Perla"], 0.0, 0.0),
        ("cheese cheese", ["cheese"], 0.0, 2 / 3),
    ],
)
def test_answers_are_compared_as_squad_does(answer, references, exact, f1):
    assert exact_match(answer, references) == exact
    assert token_f1(answer, references) == pytest.approx(f1)


@pytest.mark.number_types
def test_retrieval_finds_the_story_that_is_named(run, sample):
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    questions = read_questions(sample)
    passages = cut_passages(sample)
    assert passages["story_id"].nunique() == len(sample) and passages["passage"].str.startswith("Story ").all()
    found = retrieve(run, encoder, label, questions, passages, k=2)
    assert found.shape == (72, 2)
    for kind, least in {"title": 1.0, "id": 1.0, "genre": 0.7, "content": 0.7}.items():
        of_kind = (questions["kind"] == kind).to_numpy()
        assert hit_rate(questions[of_kind], passages, found[of_kind]) >= least, kind
    vectors = embed(run, encoder, label, passages["passage"].tolist(), reads="opening")
    asked = embed(run, encoder, label, questions["question"].tolist())
    free = questions.index[questions["kind"] == "content"][0]
    assert found[free, 0] == (vectors @ asked[free]).argmax()


@pytest.mark.number_types
def test_on_off_and_base(run, sample, tokenizer, monkeypatch):
    from peft import get_peft_model

    run = dataclasses.replace(run, dtype=torch.float32)
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    check = Check(run, sample, tokenizer, encoder, label, most=8)
    assert check.questions["kind"].value_counts().tolist() == [2, 2, 2, 2]
    question = check.questions.iloc[0]["question"]
    assert tokenizer.decode(check.prompts[0]).count(question) == 1
    model = get_peft_model(causal(tokenizer), lora_config("CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    model.save_pretrained(run.workspace / "trained" / "adapter")
    table = check.measure_adapter("instruct_lora_tuned", causal(tokenizer), "tiny", run.workspace / "trained" / "adapter")
    (base, base_losses), (on, on_losses), (off, off_losses) = check.states.values()
    assert (off_losses == base_losses).all() and off["answer"].tolist() == base["answer"].tolist()
    assert (on_losses != base_losses).all() and on["answer"].tolist() != base["answer"].tolist()
    ids = tokenizer(check.texts[0], add_special_tokens=False)["input_ids"][:256]
    with torch.no_grad(), model.disable_adapter():
        loss = model(torch.tensor([[tokenizer.bos_token_id] + ids]), labels=torch.tensor([[tokenizer.bos_token_id] + ids])).loss
    assert base_losses[0] == pytest.approx(loss.item(), abs=1e-4)
    assert table.index.tolist() == ["base model", "adapter on", "adapter off"]
    assert table.loc["adapter off", "token F1 against the first row"] == "+0.0% (+0% to +0%)"
    assert on["answer"][0] in check.examples().to_html()
    assert read_checks(run).index.tolist() == ["none", "instruct_lora_tuned"]
    # What was answered is read, not asked again.
    monkeypatch.setattr(answers, "answer_freely", None)
    pd.testing.assert_frame_equal(check.measure("again", None, "tiny"), base)


def test_training_examples_supervise_the_answer_alone(tokenizer, one_story):
    questions = pd.DataFrame({"question": ["Who?"], "answers": [["Marisol"]], "story_id": ["7"], "kind": ["who"]})
    passages = cut_passages(one_story)
    prompts = build_prompts(tokenizer, questions, passages, np.array([[0]]))
    [example] = question_examples(tokenizer, questions, prompts)
    supervised = [i for i, label in zip(example["input_ids"], example["labels"]) if label != -100]
    assert tokenizer.decode(supervised, skip_special_tokens=True) == " Marisol\n" and supervised[-1] == tokenizer.eos_token_id
    assert example["input_ids"][: len(prompts[0])] == prompts[0] and STORY[:40] in tokenizer.decode(prompts[0])


def test_memory_is_counted_from_the_model_s_shape():
    table = memory_table()["GB"]
    assert table["Qwen2.5-1.5B-Instruct, fp16"] == pytest.approx(2 * 1.543714304, abs=1e-3)  # the published number of weights
    assert table["question answering (limit 10)"] < 10 and table["both systems (limit 24)"] < 24
