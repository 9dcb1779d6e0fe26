"""The local model through openai-python. What it says is its own; that it says it again is the server's promise."""

import asyncio
from typing import Annotated

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

CHAT = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Name three colours."}],
    "max_tokens": 12,
    "seed": 7,
}


@pytest.fixture(scope="module")
def text():
    with openai.OpenAI() as client:
        choice = client.chat.completions.create(**CHAT).choices[0]
    assert choice.message.content
    assert choice.finish_reason == "length"
    return choice.message.content


def test_streamed(client, text):
    options = {"include_usage": True}
    *chunks, last = client.chat.completions.create(**CHAT, stream=True, stream_options=options)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == "length"
    assert last.usage.completion_tokens == 12


def test_the_helper_for_streams(client, text):
    with client.chat.completions.stream(**CHAT) as stream:
        assert [event.content for event in stream if event.type == "content.done"] == [text]
        # For the helper an answer that was cut is none, also where there is nothing to parse.
        with pytest.raises(openai.LengthFinishReasonError):
            stream.get_final_completion()


async def test_others_at_the_same_time_change_nothing(text):
    async with AsyncOpenAI(max_retries=0) as client:
        answers = await asyncio.gather(*(client.chat.completions.create(**CHAT) for _ in range(4)))
    assert [answer.choices[0].message.content for answer in answers] == [text] * 4


def test_a_seed_that_was_drawn_is_told(client):
    drawn = {**CHAT, "seed": None}
    response = client.chat.completions.with_raw_response.create(**drawn)
    seed = int(response.headers["x-interference-seed"])
    again = client.chat.completions.create(**{**CHAT, "seed": seed})
    assert again.choices[0].message.content == response.parse().choices[0].message.content


def test_several_choices(client):
    whole = client.chat.completions.create(**CHAT, n=3).choices
    assert [choice.index for choice in whole] == [0, 1, 2]
    streamed = dict.fromkeys(range(3), "")
    for chunk in client.chat.completions.create(**CHAT, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert list(streamed.values()) == [choice.message.content for choice in whole]
    assert len(set(streamed.values())) > 1, "each is drawn by itself"


def test_log_probabilities(client, text):
    choice = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=3).choices[0]
    assert choice.message.content == text, "to be asked for them changes nothing"
    tokens = choice.logprobs.content
    assert bytes(byte for token in tokens for byte in token.bytes).decode() == text
    for token in tokens:
        likeliest = [top.logprob for top in token.top_logprobs]
        assert len(likeliest) == 3
        assert likeliest == sorted(likeliest, reverse=True)
        assert token.logprob <= likeliest[0] <= 0


class Tree(BaseModel):
    oak: bool
    metres: Annotated[int, Field(ge=1, le=40)]


class Plant(BaseModel):
    """Plants a tree."""

    number: Annotated[int, Field(ge=0, le=99)]


def test_tools_beside_a_form(client):
    asked = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Plant an oak, please."}],
        "tools": [openai.pydantic_function_tool(Plant)],
        "parallel_tool_calls": False,
        "response_format": Tree,
        "max_tokens": 200,
    }
    kinds = set()
    for seed in range(8):
        message = client.chat.completions.parse(**asked, seed=seed).choices[0].message
        if message.tool_calls:
            assert isinstance(message.tool_calls[0].function.parsed_arguments, Plant)
            assert message.parsed is None
        else:
            assert isinstance(message.parsed, Tree)
        kinds.add(bool(message.tool_calls))
        with client.chat.completions.stream(**asked, seed=seed) as stream:
            again = stream.get_final_completion().choices[0].message
        assert (again.content or None, again.parsed) == (message.content, message.parsed)
    assert True in kinds


def test_embeddings(client):
    texts = ["a tree", "a wood", "an invoice"]
    tree, wood, invoice = (
        item.embedding for item in client.embeddings.create(model="text-embedding-3-small", input=texts).data
    )

    def likeness(other):
        return sum(a * b for a, b in zip(tree, other, strict=True))

    assert likeness(tree) == pytest.approx(1, abs=1e-5)
    assert likeness(wood) > likeness(invoice)
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input="a tree", dimensions=len(tree) - 1)
    assert caught.value.param == "dimensions"


def test_a_completion(client):
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", "seed": 7}
    whole = client.completions.create(**asked)
    assert (whole.choices[0].finish_reason, whole.usage.completion_tokens) == ("length", 16)
    pieces = [chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)]
    assert "".join(pieces) == whole.choices[0].text != ""


def test_models(client):
    assert [model.id for model in client.models.list()] == ["smollm2-135m-instruct"]
    assert client.models.retrieve("gpt-4o-mini").id == "smollm2-135m-instruct"


def test_what_is_too_long_is_refused_before_a_stream(client):
    messages = [{"role": "user", "content": "tree " * 10_000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(**{**CHAT, "messages": messages}, stream=stream)
        assert caught.value.code == "context_length_exceeded"


def test_what_it_cannot_do_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**CHAT, modalities=["text", "audio"])
    assert caught.value.param == "modalities"


def test_what_it_passes_over_is_named(client):
    response = client.chat.completions.with_raw_response.create(**CHAT, user="ada", extra_body={"mood": "good"})
    assert set(response.headers["x-interference-ignored"].split(", ")) == {"user", "mood"}
