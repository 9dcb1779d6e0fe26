"""The last openai-python before 1.0, which many programs still use: chats, embeddings, models and errors."""

import os

import openai
import pytest
from openai import error

POEM = "An oak stands in the wind, and bends, and does not break."
BASE_URL = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")


@pytest.fixture(autouse=True, params=["", "/v1"])
def address(request, monkeypatch):
    """Both forms of the address; programs of its time often have none with a version."""
    monkeypatch.setattr(openai, "api_base", BASE_URL + request.param)


def ask(text="write a poem about a tree", model="scripted", **parameters):
    return openai.ChatCompletion.create(model=model, messages=[{"role": "user", "content": text}], **parameters)


def test_whole():
    completion = ask()
    assert completion.choices[0].message.content == POEM
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert completion.usage.total_tokens == 25


def test_streamed():
    chunks = list(ask(stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content") or "" for delta in deltas) == POEM
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_asynchronous(stream):
    messages = [{"role": "user", "content": "write a poem about a tree"}]
    answer = await openai.ChatCompletion.acreate(model="scripted", messages=messages, stream=stream)
    if stream:
        pieces = [chunk["choices"][0]["delta"].get("content") or "" async for chunk in answer]
        assert "".join(pieces) == POEM
    else:
        assert answer.choices[0].message.content == POEM


def test_embeddings():
    answer = openai.Embedding.create(model="scripted-embedding", input=["a tree", "another tree"])
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.data[1].embedding == pytest.approx([0.6, -0.8])


def test_models():
    assert [model.id for model in openai.Model.list().data] == ["scripted", "scripted-embedding"]
    assert openai.Model.retrieve("scripted").object == "model"


STATUSES = {
    400: error.InvalidRequestError,
    401: error.AuthenticationError,
    403: error.PermissionError,
    404: error.InvalidRequestError,
    429: error.RateLimitError,
    500: error.APIError,
    503: error.ServiceUnavailableError,
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
@pytest.mark.parametrize("stream", [False, True])
def test_each_status_is_an_error_of_its_own(status, expected, stream):
    with pytest.raises(error.OpenAIError) as caught:
        ask(model=f"scripted#http.status={status}", stream=stream)
    assert type(caught.value) is expected
    assert caught.value.http_status == status


def test_an_error_tells_what_is_wrong():
    with pytest.raises(error.InvalidRequestError, match="That is too much.") as caught:
        ask("a bad request")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


def test_a_wrong_key():
    with pytest.raises(error.AuthenticationError):
        ask(api_key="wrong-key")


def test_its_patience_ends():
    with pytest.raises(error.Timeout):
        ask("slowly", request_timeout=0.3)


def test_an_error_in_a_stream():
    pieces = []
    with pytest.raises(error.APIError, match="The engine stopped."):
        for chunk in ask(model="scripted#error = { after_events = 4, message = 'The engine stopped.' }", stream=True):
            pieces.append(chunk["choices"][0]["delta"].get("content") or "")
    assert "".join(pieces) == "An oak stands"
