"""Responses through openai-python: whole, streamed, parsed, with tools, and what is kept of them."""

import json

import openai
import pytest
from pydantic import BaseModel

POEM = "An oak stands in the wind, and bends, and does not break."
TREE = {"model": "scripted", "input": "write a poem about a tree"}

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "What the weather will be.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
CITIES = {"model": "scripted", "input": "the weather in Oslo and Rome?", "tools": [WEATHER]}
OSLO, ROME = {"city": "Oslo", "days": 1}, {"city": "Rome", "days": 2}


class Event(BaseModel):
    name: str
    day: str
    participants: list[str]


EVENT = Event(name="science fair", day="Friday", participants=["Alice", "Bob"])
FAIR = {"model": "scripted", "input": "Alice and Bob go to a science fair on Friday."}


def test_whole(client):
    response = client.responses.create(**TREE)
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.output_text == POEM
    (message,) = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (12, 13, 25)


def test_streamed(client):
    events = list(client.responses.create(**TREE, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas[:3] == ["An", " oak", " stands"]
    assert "".join(deltas) == POEM
    assert [event.type for event in events if event.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert events[-1].response.output_text == POEM
    assert events[-1].response.usage.total_tokens == 25


def test_the_helper_for_streams(client):
    with client.responses.stream(**TREE) as stream:
        events = list(stream)
        response = stream.get_final_response()
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert deltas[-1].snapshot == POEM
    assert response.output_text == POEM


async def test_asynchronous():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        whole = await client.responses.create(**TREE)
        assert whole.output_text == POEM
        async with client.responses.stream(**TREE) as stream:
            assert (await stream.get_final_response()).output_text == POEM


def test_instructions_and_messages(client, journal):
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "input_text", "text": "say yes"}]},
    ]
    response = client.responses.create(model="scripted", instructions="Be brief.", input=messages)
    assert (response.output_text, response.instructions) == ("yes", "Be brief.")
    assert journal.requests(1)[0]["body"]["input"] == messages


def test_parsed(client, journal):
    response = client.responses.parse(**FAIR, text_format=Event)
    assert response.output_parsed == EVENT
    sent = journal.requests(1)[0]["body"]["text"]["format"]
    assert (sent["type"], sent["name"], sent["strict"]) == ("json_schema", "Event", True)


def test_parsed_at_the_end_of_a_stream(client):
    with client.responses.stream(**FAIR, text_format=Event) as stream:
        done = [event.parsed for event in stream if event.type == "response.output_text.done"]
        response = stream.get_final_response()
    assert done == [EVENT]
    assert response.output_parsed == EVENT


def test_a_refusal(client):
    response = client.responses.parse(model="scripted", input="something forbidden", text_format=Event)
    assert response.output_parsed is None
    assert [(part.type, part.refusal) for part in response.output[0].content] == [
        ("refusal", "I cannot help with that.")
    ]


def test_an_answer_that_was_cut(client):
    response = client.responses.create(**TREE, max_output_tokens=2)
    assert (response.status, response.output_text) == ("incomplete", "An oak")
    assert response.incomplete_details.reason == "max_output_tokens"
    *_, last = client.responses.create(**TREE, max_output_tokens=2, stream=True)
    assert (last.type, last.response.output_text) == ("response.incomplete", "An oak")


def test_log_probabilities(client):
    response = client.responses.create(**TREE, include=["message.output_text.logprobs"], top_logprobs=1)
    (part,) = response.output[0].content
    assert "".join(token.token for token in part.logprobs) == POEM
    assert {token.logprob for token in part.logprobs} == {-0.25}


def test_what_is_thought_before(client):
    response = client.responses.create(model="scripted", input="think first")
    thought, message = response.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.content] == ["Two and two."]
    assert message.content[0].text == "Four."


def calls(response):
    return [item for item in response.output if item.type == "function_call"]


def test_tools(client):
    response = client.responses.create(**CITIES)
    assert response.output_text == "Let me look."
    assert [(call.name, json.loads(call.arguments)) for call in calls(response)] == [
        ("get_weather", OSLO),
        ("get_weather", ROME),
    ]


def test_tools_streamed(client):
    with client.responses.stream(**CITIES) as stream:
        events = list(stream)
        response = stream.get_final_response()
    for call, arguments in zip(calls(response), [OSLO, ROME], strict=True):
        pieces = [
            event.delta
            for event in events
            if event.type == "response.function_call_arguments.delta" and event.item_id == call.id
        ]
        assert len(pieces) > 1, "the arguments come in pieces"
        assert json.loads("".join(pieces)) == arguments


@pytest.mark.parametrize("kept", [True, False])
def test_there_and_back(client, kept):
    first = client.responses.create(**CITIES, store=kept)
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather}
        for call, weather in zip(calls(first), ["rain", "sun"], strict=True)
    ]
    if kept:
        second = client.responses.create(
            model="scripted", tools=[WEATHER], previous_response_id=first.id, input=results
        )
        assert second.previous_response_id == first.id
    else:
        # The SDK takes its own items as ones of the input.
        question = {"role": "user", "content": CITIES["input"]}
        second = client.responses.create(model="scripted", tools=[WEATHER], input=[question, *first.output, *results])
    assert second.output_text == "Rain in Oslo, sun in Rome."


def test_what_is_kept(client):
    response = client.responses.create(**TREE, metadata={"of": "test"})
    again = client.responses.retrieve(response.id)
    assert again.output_text == POEM
    assert again.metadata == {"of": "test"}
    (item,) = client.responses.input_items.list(response.id)
    assert (item.type, item.role) == ("message", "user")
    assert [(part.type, part.text) for part in item.content] == [("input_text", TREE["input"])]

    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_pages_of_input(client):
    messages = [{"role": "user", "content": f"say {number}"} for number in range(5)]
    response = client.responses.create(model="scripted", input=messages)
    pages = client.responses.input_items.list(response.id, order="asc", limit=2)
    assert len(pages.data) == 2 and pages.has_next_page()
    assert [item.content[0].text for item in pages] == [message["content"] for message in messages]


def test_what_is_not_kept(client):
    response = client.responses.create(**TREE, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**TREE, previous_response_id=response.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_errors(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="scripted", input="a bad request")
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**TREE, temperature=3)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="no-such-model", input="hello")


def test_an_error_in_a_stream(client):
    fault = "error = { after_events = 6, message = 'The engine stopped.' }"
    pieces = []
    with pytest.raises(openai.APIError, match="The engine stopped."):
        for event in client.responses.create(**{**TREE, "model": f"scripted#{fault}"}, stream=True):
            pieces.extend([event.delta] if event.type == "response.output_text.delta" else [])
    assert "".join(pieces) == "An oak"
