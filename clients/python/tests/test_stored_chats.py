"""Stored chats through openai-python: created plain and streamed, found, listed with pages and filters, changed, deleted."""

import openai
import pytest

POEM = "An oak stands in the wind, and bends, and does not break."
ASKED = [{"role": "user", "content": "write a poem about a tree"}]
TREE = {"model": "scripted", "messages": ASKED, "store": True}


@pytest.fixture
def labels(request):
    """Tells the chats of a test from those of all others."""
    return {"test": request.node.name}


def test_found(client, labels):
    chat = client.chat.completions.create(**TREE, metadata=labels)
    again = client.chat.completions.retrieve(chat.id)
    assert again.choices == chat.choices
    assert (again.id, again.object, again.created, again.model) == (chat.id, chat.object, chat.created, chat.model)
    assert again.usage == chat.usage
    assert again.metadata == labels


def test_found_as_streamed(client, labels):
    options = {"include_usage": True}
    *_, last = client.chat.completions.create(**TREE, metadata=labels, stream=True, stream_options=options)
    again = client.chat.completions.retrieve(last.id)
    assert again.choices[0].message.content == POEM
    assert again.choices[0].finish_reason == "stop"
    assert again.usage == last.usage
    assert again.metadata == labels


def test_listed(client, labels):
    chats = [client.chat.completions.create(**TREE, metadata=labels | {"number": str(number)}) for number in range(5)]
    ids = [chat.id for chat in chats]
    listed = client.chat.completions.list(metadata=labels, limit=2)
    assert [chat.id for chat in listed.data] == ids[:2]
    # The SDK asks for all pages that there are.
    assert [chat.id for chat in listed] == ids
    newest = client.chat.completions.list(metadata=labels, order="desc", after=ids[3])
    assert [chat.id for chat in newest] == ids[2::-1]
    one = client.chat.completions.list(metadata=labels | {"number": "3"}, model="scripted")
    assert [chat.id for chat in one] == [ids[3]]
    assert list(client.chat.completions.list(metadata=labels, model="another")) == []


def test_changed_and_deleted(client, labels):
    chat = client.chat.completions.create(**TREE, metadata=labels)
    spaced = labels | {"a key": "100 % + more"}
    changed = client.chat.completions.update(chat.id, metadata=spaced)
    assert (changed.id, changed.metadata) == (chat.id, spaced)
    assert [found.id for found in client.chat.completions.list(metadata=spaced)] == [chat.id]
    assert client.chat.completions.update(chat.id, metadata=None).metadata == {}
    assert list(client.chat.completions.list(metadata=labels)) == []

    deleted = client.chat.completions.delete(chat.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (chat.id, "chat.completion.deleted", True)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(chat.id)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.delete(chat.id)


def test_messages(client):
    parts = [{"type": "text", "text": "write a poem about a tree"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    chat = client.chat.completions.create(**TREE | {"messages": messages})
    system, user = client.chat.completions.messages.list(chat.id, limit=1)
    assert (system.id, system.role, system.content) == (f"{chat.id}-0", "system", "Be brief.")
    assert system.content_parts is None
    assert (user.role, user.content, user.content_parts[0].text) == ("user", None, parts[0]["text"])
    (last,) = client.chat.completions.messages.list(chat.id, order="desc", limit=1).data
    assert last.id == user.id


def test_not_stored(client):
    chat = client.chat.completions.create(**TREE | {"store": False})
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(chat.id)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.update(chat.id, metadata={})
