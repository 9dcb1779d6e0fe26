"""What openai-python raises, how often it tries again, and what it makes of answers that break off."""

import os
import uuid

import openai
import pytest

POEM = "An oak stands in the wind, and bends, and does not break."


def ask(client, text="write a poem about a tree", model="scripted", **parameters):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **parameters)


STATUSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@pytest.mark.parametrize(("status", "error"), STATUSES.items())
def test_each_status_is_an_error_of_its_own(client, status, error):
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, model=f"scripted#http.status={status}")
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert caught.value.type and caught.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_tells_what_is_wrong(client, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "a bad request", stream=stream)
    error = caught.value
    assert (error.code, error.param, error.type) == ("context_length_exceeded", "messages", "invalid_request_error")
    assert error.body["message"] == "That is too much."


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ],
)
def test_a_bad_parameter_is_named(client, parameters, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **parameters)
    assert caught.value.param == param


def test_a_model_that_is_not_there(client):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="no-such-model")
    assert caught.value.code == "model_not_found"
    assert "no-such-model" in caught.value.message


def test_a_wrong_key(client):
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client.with_options(api_key="wrong-key"))
    assert caught.value.code == "invalid_api_key"
    assert "wrong-key" not in caught.value.message


def test_nobody_is_there():
    # Port 9 of this machine: nothing listens there.
    with openai.OpenAI(base_url="http://127.0.0.1:9/v1", max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError):
            ask(client)


def test_it_waits_as_long_as_it_is_told(client, journal):
    # In a session of its own, what happens once happens however often the test is run.
    patient = client.with_options(max_retries=1, default_headers={"x-interference-session": str(uuid.uuid4())})
    answer = ask(patient, "write a poem about a tree when you have time")
    assert answer.choices[0].message.content == POEM
    first, second = journal.requests(2)
    assert [first["answer"]["status"], second["answer"]["status"]] == [429, 200]
    assert first["answer"]["headers"]["retry-after"] == "1"
    assert second["received_at_ms"] - first["received_at_ms"] >= 1000


def test_it_gives_up_at_last(client, journal):
    busy = "http = { status = 429, retry_after = '10ms', retry_after_form = 'milliseconds' }"
    with pytest.raises(openai.RateLimitError):
        ask(client.with_options(max_retries=2), model=f"scripted#{busy}")
    requests = journal.requests(3)
    assert [request["answer"]["status"] for request in requests] == [429, 429, 429]
    assert [request["headers"]["x-stainless-retry-count"] for request in requests] == ["0", "1", "2"]


def test_a_bad_request_is_not_sent_again(client, journal):
    with pytest.raises(openai.BadRequestError):
        ask(client.with_options(max_retries=2), "a bad request")
    assert len(journal.requests(1)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_its_patience_ends(client, journal, stream):
    roles = []
    with pytest.raises(openai.APITimeoutError):
        for chunk in ask(client.with_options(timeout=0.3), "slowly", stream=stream):
            roles.append(chunk.choices[0].delta.role)
    # In a stream the chunk that says who speaks comes at once.
    assert roles == (["assistant"] if stream else [])
    assert journal.requests(1)[0]["ended"] == "client_gone"


def test_a_stream_that_breaks_off(client):
    pieces = []
    with pytest.raises(openai.APIConnectionError):
        for chunk in ask(client, model="scripted#cut.after_events=4", stream=True):
            pieces.append(chunk.choices[0].delta.content or "")
    assert "".join(pieces) == "An oak stands"


def test_an_error_in_a_stream(client):
    pieces = []
    fault = "error = { after_events = 4, message = 'The engine stopped.' }"
    with pytest.raises(openai.APIError, match="The engine stopped.") as caught:
        for chunk in ask(client, model=f"scripted#{fault}", stream=True):
            pieces.append(chunk.choices[0].delta.content or "")
    assert type(caught.value) is openai.APIError
    assert "".join(pieces) == "An oak stands"


def test_a_base_url_without_a_version():
    base_url = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
    for url in (base_url, f"{base_url}/", f"{base_url}/v1/"):
        with openai.OpenAI(base_url=url, max_retries=0) as client:
            assert ask(client).choices[0].message.content == POEM
