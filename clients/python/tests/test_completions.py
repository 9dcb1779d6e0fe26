"""Completions, the endpoint from before chats, through openai-python."""

import openai
import pytest

POEM = "An oak stands in the wind, and bends, and does not break."
PROMPT = "write a poem about a tree"


@pytest.fixture
def complete(client):
    def complete(prompt=PROMPT, **parameters):
        return client.completions.create(**{"model": "scripted", "prompt": prompt, "max_tokens": 64, **parameters})

    return complete


def test_whole(complete):
    completion = complete()
    assert (completion.object, completion.model) == ("text_completion", "scripted")
    (choice,) = completion.choices
    assert (choice.index, choice.text, choice.finish_reason) == (0, POEM, "stop")
    assert completion.usage.total_tokens == 25


def test_sixteen_tokens_unless_more_are_asked_for(client):
    (choice,) = client.completions.create(model="scripted", prompt="say" + " so" * 20).choices
    assert (len(choice.text.split()), choice.finish_reason) == (16, "length")


def test_streamed(complete):
    *chunks, last = complete(stream=True, stream_options={"include_usage": True})
    pieces = [chunk.choices[0].text for chunk in chunks]
    assert [piece for piece in pieces if piece][:3] == ["An", " oak", " stands"]
    assert "".join(pieces) == POEM
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.total_tokens) == ([], 25)


async def test_asynchronous():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        stream = await client.completions.create(model="scripted", prompt=PROMPT, max_tokens=64, stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == POEM


def test_several_choices_for_several_prompts(complete):
    choices = complete([PROMPT, "another poem"], n=2).choices
    assert [choice.index for choice in choices] == [0, 1, 2, 3]
    assert len({choice.text for choice in choices}) == 1


def test_echo(complete):
    assert complete(echo=True).choices[0].text == PROMPT + POEM


def test_log_probabilities(complete):
    probabilities = complete(logprobs=1).choices[0].logprobs
    assert "".join(probabilities.tokens) == POEM
    assert set(probabilities.token_logprobs) == {-0.25}
    for offset, token in zip(probabilities.text_offset, probabilities.tokens, strict=True):
        assert POEM[offset:].startswith(token)
    assert all(len(top) == 1 for top in probabilities.top_logprobs)


def test_stop(complete):
    choice = complete(stop=" stands").choices[0]
    assert (choice.text, choice.finish_reason) == ("An oak", "stop")


def test_errors(complete):
    for parameters, param in (({"n": 0}, "n"), ({"logprobs": 6}, "logprobs"), ({"best_of": 0}, "best_of")):
        with pytest.raises(openai.BadRequestError) as caught:
            complete(**parameters)
        assert caught.value.param == param
    with pytest.raises(openai.BadRequestError) as caught:
        complete("a bad request")
    assert caught.value.code == "context_length_exceeded"
