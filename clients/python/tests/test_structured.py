"""Answers that are read into a class, and the ways in which they are none."""

import openai
import pytest
from pydantic import BaseModel


class Event(BaseModel):
    name: str
    day: str
    participants: list[str]


EVENT = Event(name="science fair", day="Friday", participants=["Alice", "Bob"])
QUESTION = [{"role": "user", "content": "Alice and Bob go to a science fair on Friday."}]


def question(text):
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], "response_format": Event}


def test_parsed(client, journal):
    completion = client.chat.completions.parse(model="scripted", messages=QUESTION, response_format=Event)
    assert completion.choices[0].message.parsed == EVENT
    sent = journal.requests(1)[0]["body"]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == ("json_schema", "Event", True)


def test_parsed_as_it_comes(client):
    with client.chat.completions.stream(model="scripted", messages=QUESTION, response_format=Event) as stream:
        events = list(stream)
        message = stream.get_final_completion().choices[0].message
    parsed = [event.parsed for event in events if event.type == "content.delta"]
    assert {"name": "science fair"} in parsed, "what has come is parsed before the rest has"
    assert [event.parsed for event in events if event.type == "content.done"] == [EVENT]
    assert message.parsed == EVENT


def test_json_without_a_schema(client):
    completion = client.chat.completions.create(
        model="scripted", messages=QUESTION, response_format={"type": "json_object"}
    )
    assert Event.model_validate_json(completion.choices[0].message.content) == EVENT


def test_a_refusal(client):
    message = client.chat.completions.parse(**question("something forbidden")).choices[0].message
    assert message.parsed is None
    assert message.content is None
    assert message.refusal == "I cannot help with that."
    with client.chat.completions.stream(**question("something forbidden")) as stream:
        done = [event.refusal for event in stream if event.type == "refusal.done"]
    assert done == ["I cannot help with that."]


def test_an_answer_that_was_cut(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="scripted", messages=QUESTION, response_format=Event, max_tokens=3)


def test_an_answer_that_was_filtered(client):
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(**question("something that is filtered"))
