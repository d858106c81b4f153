"""What Groq's free tier and a flaky network really do, against a real HTTP server.

The first version asked, was refused with 429, and lost the notebook; a later one waited forever on a response that dripped.
"""

import json
import sys
import time
import types
from datetime import datetime, timezone

import pandas as pd
import pytest
from groq_server import KEY, MODELS, GroqServer

from helpers import runtime, stories
from helpers.augmentation import endpoint, providers, responses
from helpers.augmentation.endpoint import ROUNDS, ChatEndpoint
from helpers.augmentation.faults import ModelUnavailable, NoAnswer, NotRecorded, ProviderError
from helpers.augmentation.limits import in_seconds
from helpers.augmentation.local import LocalModel
from helpers.augmentation.providers import find_key, open_provider
from helpers.augmentation.recorded import RecordedAnswers
from helpers.augmentation.targets import Target
from helpers.stories import shorten_middle

MODEL = MODELS[0]
STORY = " ".join(f"word{number}" for number in range(1000))
TARGET = Target("paraphrase", "War", 1, "7", STORY)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(endpoint, "PAUSE", 0.05)
    monkeypatch.setattr(responses, "SECONDS_PER_ANSWER", 1)
    # The SDK waits half a second and more between its own tries; the tests need its order of events, not its patience.
    monkeypatch.setattr("groq._base_client.INITIAL_RETRY_DELAY", 0.02)
    monkeypatch.setattr("groq._base_client.MAX_RETRY_DELAY", 0.05)
    with GroqServer() as server:
        yield server


def connect(server, models=(MODEL,), key=KEY) -> ChatEndpoint:
    return ChatEndpoint(key, models, server.url)


def ask(provider, target=TARGET, prompt="Paraphrase this.", model=MODEL, max_tokens=400):
    return provider.ask(target, prompt, model, max_tokens)


def test_an_answer_comes_with_its_tokens(server):
    answer = ask(connect(server))
    assert (answer.text, answer.note, answer.story_words) == ("A story.", "", 1000)
    assert answer.tokens > 1000
    [request] = server.requests
    assert request["model"] == MODEL and request["messages"][0]["content"] == f"Paraphrase this.\n\n{STORY}"


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        (["429"], 2),
        (["429"] * 4, 5),
        (["500", "500"], 3),
        (["503"] * 5, 6),
        (["reset"], 2),
        (["reset"] * 4, 5),
        (["malformed"], 2),
        (["500", "malformed", "reset", "429"], 5),
    ],
)
def test_passing_faults_cost_only_time(server, faults, requests):
    server.faults.extend(faults)
    assert ask(connect(server)).text == "A story."
    assert len(server.requests) == requests
    assert server.delivered == 1


def test_retry_after_is_waited_for(server):
    server.faults.append("429 retry-after")
    assert ask(connect(server)).text == "A story."
    assert len(server.requests) == 2
    assert server.times[1] - server.times[0] >= 1


def test_a_response_that_never_ends_is_given_up_and_asked_for_again(server):
    server.faults.append("endless")
    begin = time.monotonic()
    assert ask(connect(server)).text == "A story."
    assert 1 <= time.monotonic() - begin < 5
    assert len(server.requests) == 2


def test_the_headers_set_the_pace_before_a_429_happens(server):
    server.tokens_a_minute, server.minute = 4_000, 2.0
    provider = connect(server)
    for _ in range(5):
        ask(provider, max_tokens=200)  # about 1,800 tokens by the server's count, 2,200 by the client's
    assert server.refused == 0
    assert len(server.requests) == 5
    assert server.times[-1] - server.times[0] > 2, "or the limit was never reached"


def test_a_request_too_large_is_shortened_from_the_middle_and_said_so(server):
    server.faults.append("413")
    answer = ask(connect(server))
    assert "without its middle" in answer.note and answer.story_words < 700
    sent = server.requests[-1]["messages"][0]["content"]
    assert "word0 " in sent and sent.endswith("word999") and "word500" not in sent


def test_once_the_minutes_budget_is_known_nothing_too_large_is_sent(server):
    server.tokens_a_minute, server.minute = 1_500, 0.5
    provider = connect(server)
    ask(provider, Target("synthetic", "War", 1), max_tokens=100)
    answer = ask(provider)
    assert "without its middle" in answer.note and 300 < answer.story_words < 1000
    assert len(server.requests) == 2 and server.refused == 0


def test_what_cannot_be_shortened_is_left(server):
    server.faults.extend(["413"] * 2)
    with pytest.raises(NoAnswer, match="too large"):
        ask(connect(server), Target("synthetic", "War", 1))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("fault", "reason"), [("empty", "empty"), ("filtered", "filtered"), ("cut off", "cut off")])
def test_an_answer_with_nothing_to_use_is_no_answer(server, fault, reason):
    server.faults.append(fault)
    with pytest.raises(NoAnswer, match=reason):
        ask(connect(server))
    assert len(server.requests) == 1


def test_an_outage_ends_in_a_clear_word(server):
    server.faults.extend(["503"] * 100)
    with pytest.raises(ModelUnavailable, match="out of order.*503"):
        ask(connect(server))
    assert len(server.requests) == ROUNDS * 3


def test_a_daily_limit_is_told_at_once_with_the_time_to_come_back(server):
    server.faults.append("daily")
    with pytest.raises(ModelUnavailable, match="daily limit") as caught:
        ask(connect(server))
    ahead = (caught.value.when - datetime.now(timezone.utc)).total_seconds()
    assert 3500 < ahead <= 3600
    assert len(server.requests) == 1, "the SDK would have knocked twice more"


def test_a_daily_limit_is_known_by_its_words_where_its_wait_is_short(server):
    server.day = 0
    with pytest.raises(ModelUnavailable, match="daily limit"):
        ask(connect(server))


def test_a_model_that_disappears_between_two_calls(server):
    provider = connect(server)
    ask(provider)
    server.faults.append("gone")
    with pytest.raises(ModelUnavailable, match=f"no longer has {MODEL}"):
        ask(provider)


def test_a_wrong_key_stops_at_once_and_is_never_printed(server, capsys):
    wrong = "gsk_this-is-secret-too"
    with pytest.raises(ProviderError) as caught:
        connect(server, key=wrong)
    shown = "".join(caught.value._render_traceback_())
    assert "does not accept the key (401)" in shown and "\n" not in shown
    assert wrong not in shown + str(caught.value) + capsys.readouterr().out
    assert caught.value.__suppress_context__
    assert server.requests == []


def test_a_key_that_is_withdrawn_stops_the_run(server):
    provider = connect(server)
    server.faults.append("401")
    with pytest.raises(ProviderError, match="401"):
        ask(provider)
    assert len(server.requests) == 1


def test_a_refused_request_is_told_with_the_services_own_words(server):
    server.faults.append("400")
    with pytest.raises(NoAnswer, match="HTTP 400.*No luck"):
        ask(connect(server))


def test_a_missing_model_is_an_error_with_the_list_of_those_there_are(server):
    with pytest.raises(ProviderError, match="no model gpt-9 for this key. It has: llama-3.1-8b-instant, openai/gpt-oss-120b"):
        connect(server, models=(MODEL, "gpt-9"))


def test_an_endpoint_that_is_not_there():
    with pytest.raises(ProviderError, match="cannot be reached"):
        ChatEndpoint(KEY, (MODEL,), "http://127.0.0.1:9/v1")


def test_models_and_prompts_take_turns(server):
    provider = connect(server, models=MODELS[:2])
    pairs = [provider.signature(number, TARGET, ("a", "b")) for number in range(4)]
    assert set(pairs) == {(model, prompt) for model in MODELS[:2] for prompt in "ab"}


@pytest.mark.parametrize(
    ("duration", "seconds"), [("7.66s", 7.66), ("2m59.56s", 179.56), ("120ms", 0.12), ("1h0m0s", 3600), ("1d", 86400), ("3", 3)]
)
def test_durations(duration, seconds):
    assert in_seconds(duration) == pytest.approx(seconds)


def test_shorten_middle_keeps_both_ends():
    assert shorten_middle(STORY, 1.0) == STORY
    short = shorten_middle(STORY, 0.1).split()
    assert (short[0], short[-1], len(short)) == ("word0", "word999", 101)


# --- the key ---------------------------------------------------------------------------------------------------------


def test_the_key_comes_from_colabs_secrets_then_the_environment_then_a_prompt(monkeypatch):
    monkeypatch.setattr(providers, "in_colab", lambda: True)
    secrets = {"GROQ_API_KEY": "from-colab"}
    userdata = types.SimpleNamespace(get=lambda name: secrets[name])
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(userdata=userdata))
    monkeypatch.setenv("GROQ_API_KEY", "from-environment")
    assert find_key() == "from-colab"
    secrets.clear()
    assert find_key() == "from-environment"
    monkeypatch.delenv("GROQ_API_KEY")
    assert find_key() is None
    monkeypatch.delenv("HEADLESS", raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed")
    assert find_key(ask=True) == "typed"
    monkeypatch.setenv("HEADLESS", "1")
    assert find_key(ask=True) is None, "nobody is there to type"


# --- recorded answers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return stories.validate(stories.read_csv(stories.SAMPLE_CSV))[0]


def test_a_recorded_paraphrase_counts_for_its_own_parent_only(sample):
    recorded = RecordedAnswers(sample)
    parent = sample[sample["story_id"] == "1061"].iloc[0]
    own = Target("paraphrase", parent["genre"], 1, "1061", parent["text"])
    assert recorded.answers(own) and recorded.ask(own, "", "", 0).title == "Forty Fathoms of Rope"
    assert not recorded.answers(Target("paraphrase", parent["genre"], 1, "1061", "Another story with the same id."))
    assert not recorded.answers(Target("paraphrase", parent["genre"], 1, "99999", parent["text"]))
    assert not recorded.answers(Target("paraphrase", parent["genre"], 2, "1061", parent["text"]))
    with pytest.raises(NotRecorded):
        recorded.ask(own, "", "", 0, again=True)


def test_other_datasets_get_the_stories_written_by_genre(sample, tmp_path):
    theirs = {"task": "synthetic", "genre": "War", "slot": 1, "prompt_id": "p", "model": "m", "title": "T", "text": "New."}
    (tmp_path / "synthetic_stories.jsonl").write_text(json.dumps(theirs | {"parent_id": None, "created_at": "2026"}) + "\n")
    other = RecordedAnswers(sample.assign(text="Mine. " + sample["text"]), tmp_path)
    assert other.answers(Target("synthetic", "War", 1))
    assert other.signature(0, Target("synthetic", "War", 1), ("notebook's",)) == ("m", "p")
    assert not other.answers(Target("synthetic", "Western", 1))
    assert RecordedAnswers(sample).answers(Target("synthetic", "Western", 1))


def test_auto_is_recorded_without_a_key_and_says_so(sample, monkeypatch, capsys):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    assert open_provider("auto", None, sample, (MODEL,)).name == "recorded"
    assert "No GROQ_API_KEY" in capsys.readouterr().out
    with pytest.raises(ProviderError, match="no key"):
        open_provider("groq", None, sample, (MODEL,))
    with pytest.raises(ValueError, match="auto, groq, local, recorded"):
        open_provider("grok", None, sample, (MODEL,))


def test_auto_asks_the_endpoint_where_there_is_a_key(server, sample, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    assert open_provider("auto", None, sample, (MODEL,), server.url).name == "127.0.0.1"


# --- a model on this machine -----------------------------------------------------------------------------------------


def test_a_local_model_answers_and_shortens_what_does_not_fit(tmp_path, monkeypatch):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: place for place, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *STORY.split()[:60]])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(words), max_position_embeddings=512, eos_token_id=None, **sizes)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    monkeypatch.setattr(runtime, "quiet", lambda: None)
    run = runtime.start("smoke", str(tmp_path / "workspace"))
    local = LocalModel(run, str(tmp_path))
    answer = local.ask(TARGET, "Paraphrase this.", local.models[0], 20)
    assert answer.text
    assert answer.story_words < 500 and "without its middle" in answer.note
