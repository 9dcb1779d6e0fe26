"""Calls of tools through openai-python: whole, in pieces, parsed, and answered."""

import json

import openai
from pydantic import BaseModel

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "What the weather will be.",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
                "additionalProperties": False,
            },
        },
    }
]
ONE = {"model": "scripted", "messages": [{"role": "user", "content": "the weather in Oslo?"}], "tools": TOOLS}
TWO = {"model": "scripted", "messages": [{"role": "user", "content": "the weather in Oslo and Rome?"}], "tools": TOOLS}
OSLO, ROME = {"city": "Oslo", "days": 1}, {"city": "Rome", "days": 2}


def test_whole(client):
    choice = client.chat.completions.create(**ONE).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls
    assert (call.id, call.type, call.function.name) == ("call_oslo", "function", "get_weather")
    assert json.loads(call.function.arguments) == OSLO


def test_streamed(client):
    calls, reasons = {}, []
    for chunk in client.chat.completions.create(**TWO, stream=True):
        reasons.append(chunk.choices[0].finish_reason)
        for fragment in chunk.choices[0].delta.tool_calls or []:
            calls.setdefault(fragment.index, []).append(fragment)
    assert reasons[-2:] == [None, "tool_calls"]
    assert list(calls) == [0, 1]
    for (first, *others), arguments in zip(calls.values(), [OSLO, ROME]):
        assert first.id and first.type == "function" and first.function.name == "get_weather"
        assert len(others) > 1, "the arguments come in pieces"
        assert all(other.id is None and other.function.name is None for other in others)
        assert json.loads("".join(fragment.function.arguments for fragment in [first, *others])) == arguments
    assert calls[0][0].id != calls[1][0].id


def test_the_helper_for_streams(client):
    with client.chat.completions.stream(**TWO) as stream:
        events = list(stream)
        message = stream.get_final_completion().choices[0].message
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [(event.index, event.name, event.parsed_arguments) for event in done] == [
        (0, "get_weather", OSLO),
        (1, "get_weather", ROME),
    ]
    for index in (0, 1):
        deltas = [e for e in events if e.type == "tool_calls.function.arguments.delta" and e.index == index]
        assert "".join(event.arguments_delta for event in deltas) == done[index].arguments
    assert message.content == "Let me look."
    assert [call.function.parsed_arguments for call in message.tool_calls] == [OSLO, ROME]


class GetWeather(BaseModel):
    city: str
    days: int


def test_parsed_into_a_class(client):
    tools = [openai.pydantic_function_tool(GetWeather, name="get_weather")]
    completion = client.chat.completions.parse(**{**TWO, "tools": tools})
    calls = completion.choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in calls] == [GetWeather(**OSLO), GetWeather(**ROME)]


def test_there_and_back(client):
    message = client.chat.completions.create(**TWO).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": weather}
        for call, weather in zip(message.tool_calls, ["rain", "sun"])
    ]
    # The SDK takes its own message as one of the conversation.
    messages = [*TWO["messages"], message, *results]
    answer = client.chat.completions.create(**{**TWO, "messages": messages}).choices[0]
    assert (answer.message.content, answer.finish_reason) == ("Rain in Oslo, sun in Rome.", "stop")


def test_a_chosen_tool(client, journal):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    client.chat.completions.create(**ONE, tool_choice=choice, parallel_tool_calls=False)
    body = journal.requests(1)[0]["body"]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (choice, False)
