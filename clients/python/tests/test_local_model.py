"""The local model through openai-python. What it says is its own; that it says it again is the server's promise."""

import asyncio

import openai
import pytest
from openai import AsyncOpenAI

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
