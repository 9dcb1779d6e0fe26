"""Chats through openai-python: whole, streamed, with its helper for streams, and from asynchronous code."""

import asyncio

from openai import AsyncOpenAI

PROMPT = [{"role": "user", "content": "write a poem about a tree"}]
POEM = "An oak stands in the wind, and bends, and does not break."


def test_whole(client):
    completion = client.chat.completions.create(model="scripted", messages=PROMPT)
    assert completion.object == "chat.completion"
    assert completion.model == "scripted"
    assert completion.system_fingerprint.startswith("fp_script_")
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].message.content == POEM
    assert completion.choices[0].finish_reason == "stop"
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 13, 25)


def test_streamed(client):
    chunks = list(client.chat.completions.create(model="scripted", messages=PROMPT, stream=True))
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert [delta.role for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
    pieces = [delta.content for delta in deltas if delta.content]
    assert pieces[:3] == ["An", " oak", " stands"]
    assert "".join(pieces) == POEM
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert all(chunk.usage is None for chunk in chunks)


def test_streamed_with_usage(client):
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="scripted", messages=PROMPT, stream=True, stream_options=options)
    *chunks, last = stream
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.total_tokens == 25


def test_the_helper_for_streams(client):
    with client.chat.completions.stream(model="scripted", messages=PROMPT) as stream:
        events = list(stream)
        completion = stream.get_final_completion()
    deltas = [event for event in events if event.type == "content.delta"]
    assert "".join(event.delta for event in deltas) == POEM
    assert deltas[-1].snapshot == POEM
    assert [event.content for event in events if event.type == "content.done"] == [POEM]
    assert completion.choices[0].message.content == POEM
    assert completion.choices[0].finish_reason == "stop"


def test_a_stream_that_is_left(client, journal):
    messages = [{"role": "user", "content": "slowly"}]
    with client.chat.completions.create(model="scripted", messages=messages, stream=True) as stream:
        assert next(stream).choices[0].delta.role == "assistant"
    assert journal.requests(1)[0]["ended"] == "client_gone"


async def test_asynchronous():
    async with AsyncOpenAI(max_retries=0) as client:
        whole = await client.chat.completions.create(model="scripted", messages=PROMPT)
        assert whole.choices[0].message.content == POEM
        stream = await client.chat.completions.create(model="scripted", messages=PROMPT, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == POEM
        async with client.chat.completions.stream(model="scripted", messages=PROMPT) as stream:
            completion = await stream.get_final_completion()
        assert completion.choices[0].message.content == POEM


async def test_many_at_once():
    async def echo(client, number):
        messages = [{"role": "user", "content": f"say {number}"}]
        stream = await client.chat.completions.create(model="scripted", messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async with AsyncOpenAI(max_retries=0) as client:
        answers = await asyncio.gather(*(echo(client, number) for number in range(20)))
    assert answers == [str(number) for number in range(20)]


def test_characters_of_all_lengths(client):
    messages = [{"role": "user", "content": "write tree in many languages"}]
    text = "Baum, arbre, δέντρο, 木, 🌳"
    whole = client.chat.completions.create(model="scripted", messages=messages)
    assert whole.choices[0].message.content == text
    stream = client.chat.completions.create(model="scripted", messages=messages, stream=True)
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    assert pieces == list(text)


def test_messages_of_all_roles_and_of_parts(client, journal):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "name": "ada", "content": "hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "say yes"}]},
    ]
    completion = client.chat.completions.create(model="scripted", messages=messages)
    assert completion.choices[0].message.content == "yes"
    assert journal.requests(1)[0]["body"]["messages"] == messages


def test_several_choices(client):
    whole = client.chat.completions.create(model="scripted", messages=PROMPT, n=3)
    assert [(choice.index, choice.message.content) for choice in whole.choices] == [(i, POEM) for i in range(3)]
    texts, ends = {}, {}
    for chunk in client.chat.completions.create(model="scripted", messages=PROMPT, n=3, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            ends[choice.index] = choice.finish_reason
    assert texts == dict.fromkeys(range(3), POEM)
    assert ends == dict.fromkeys(range(3), "stop")


def test_log_probabilities(client):
    parameters = {"model": "scripted", "messages": PROMPT, "logprobs": True, "top_logprobs": 2}
    tokens = client.chat.completions.create(**parameters).choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == POEM
    assert bytes(byte for token in tokens for byte in token.bytes).decode() == POEM
    assert {token.logprob for token in tokens} == {-0.25}
    assert all(0 < len(token.top_logprobs) <= 2 for token in tokens)

    with client.chat.completions.stream(**parameters) as stream:
        done = [event.content for event in stream if event.type == "logprobs.content.done"]
    assert done == [tokens]


def test_limits(client):
    parameters = {"model": "scripted", "messages": PROMPT}
    for limit in ({"max_tokens": 2}, {"max_completion_tokens": 2}):
        choice = client.chat.completions.create(**parameters, **limit).choices[0]
        assert (choice.message.content, choice.finish_reason) == ("An oak", "length")
    choice = client.chat.completions.create(**parameters, stop=[" stands", "!"]).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("An oak", "stop")


def test_what_is_thought_before(client):
    messages = [{"role": "user", "content": "think first"}]
    message = client.chat.completions.create(model="scripted", messages=messages).choices[0].message
    assert message.content == "Four."
    assert message.model_extra["reasoning_content"] == "Two and two."


def test_the_response_itself(client):
    response = client.chat.completions.with_raw_response.create(model="scripted", messages=PROMPT)
    assert response.headers["x-interference-rule"] == "poem"
    assert response.headers["content-type"] == "application/json"
    assert response.parse().choices[0].message.content == POEM


def test_models(client):
    assert [model.id for model in client.models.list()] == ["scripted", "scripted-embedding"]
    model = client.models.retrieve("scripted")
    assert (model.id, model.object) == ("scripted", "model")
    assert isinstance(model.created, int)
    assert model.owned_by
