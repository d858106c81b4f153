"""Requests that an endpoint refuses: what concerns one of them costs that one, what concerns all of them ends the run.

Written for: a headless series that ended because one story was longer than a model's context, and one in which a model had called a tool that nobody offered.
"""

import pytest
from groq_server import KEY, MODELS, GroqServer

from helpers.augmentation import endpoint as endpoints
from helpers.augmentation.endpoint import ChatEndpoint
from helpers.augmentation.faults import ModelUnavailable, NoAnswer, ProviderError
from helpers.augmentation.targets import Target

MODEL = MODELS[0]
ALONE = Target("synthetic", "War", 1)
STORY = Target("paraphrase", "War", 1, "7", " ".join(f"word{number}" for number in range(1000)))
TOOL = "400|tool_use_failed|Tool choice is none, but model called a tool"
VLLM = "400||This model's maximum context length is 4096 tokens. However, you requested 5200 tokens."
GROQ = "400|context_length_exceeded|Please reduce the length of the messages or completion."


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(endpoints, "PAUSE", 0.02)
    monkeypatch.setattr("groq._base_client.INITIAL_RETRY_DELAY", 0.02)
    monkeypatch.setattr("groq._base_client.MAX_RETRY_DELAY", 0.05)
    with GroqServer() as server:
        yield server


def ask(provider, target=ALONE):
    return provider.ask(target, "Write.", MODEL, 300)


@pytest.mark.parametrize(
    "fault", [TOOL, VLLM, GROQ, "422||the model's output could not be processed", "400||No luck", "413||", "418||teapot"]
)
def test_a_refused_request_is_one_answer_less_and_the_next_is_asked(server, fault):
    provider = ChatEndpoint(KEY, (MODEL,), server.url)
    server.faults.append(fault)
    with pytest.raises(NoAnswer, match="refused by the provider|too large for the provider"):
        ask(provider)
    assert ask(provider).text


@pytest.mark.parametrize(
    "fault",
    ["498|capacity_exceeded|flex tier capacity exceeded", "408||", "409||conflict", "424||dependency", "425||", "503||"],
)
def test_what_passes_by_itself_is_waited_for(server, fault):
    server.faults += [fault, fault]
    assert ask(ChatEndpoint(KEY, (MODEL,), server.url)).text


@pytest.mark.parametrize("fault", [VLLM, GROQ, "422||input too long", "413||Limit 6000, Requested 9000"])
def test_a_story_longer_than_the_context_is_shortened_and_asked_again(server, fault):
    server.faults.append(fault)
    answer = ask(ChatEndpoint(KEY, (MODEL,), server.url), STORY)
    sizes = [len(request["messages"][0]["content"].split()) for request in server.requests]
    assert sizes[1] < sizes[0] and "without its middle" in answer.note


def test_the_same_refusal_of_one_request_after_the_other_takes_the_model_off(server):
    provider = ChatEndpoint(KEY, (MODEL,), server.url)
    server.faults += ["400||max_completion_tokens is not supported"] * endpoints.REFUSALS
    for _ in range(endpoints.REFUSALS - 1):
        with pytest.raises(NoAnswer):
            ask(provider)
    with pytest.raises(ModelUnavailable, match="refuses every request to .* max_completion_tokens is not supported"):
        ask(provider)


def test_refusals_with_an_answer_in_between_do_not(server):
    provider = ChatEndpoint(KEY, (MODEL,), server.url)
    for _ in range(2 * endpoints.REFUSALS):
        server.faults.append(TOOL)
        with pytest.raises(NoAnswer):
            ask(provider)
        assert ask(provider).text


@pytest.mark.parametrize(
    "fault",
    [
        "402||Payment required",
        "403||",
        "400|organization_restricted|Organization has been restricted",
        "429|insufficient_quota|You exceeded your quota",
    ],
)
def test_what_concerns_every_request_ends_the_run(server, fault):
    provider = ChatEndpoint(KEY, (MODEL,), server.url)
    server.faults += [fault] * 4  # the SDK tries a 429 again
    with pytest.raises(ProviderError):
        ask(provider)


def test_a_complaint_that_holds_the_key_is_told_without_it(server):
    provider = ChatEndpoint(KEY, (MODEL,), server.url)
    server.faults.append(f"400||The request of {KEY} was refused")
    with pytest.raises(NoAnswer, match=r"The request of \[key\] was refused") as caught:
        ask(provider)
    assert KEY not in str(caught.value)
