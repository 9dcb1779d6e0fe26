"""Embeddings through openai-python, which asks for base64 unless it is told otherwise."""

import openai
import pytest

TREE = pytest.approx([0.6, -0.8])


def test_the_default_is_packed(client, journal):
    answer = client.embeddings.create(model="scripted-embedding", input="a tree")
    assert answer.object == "list"
    assert answer.model == "scripted-embedding"
    assert [(item.object, item.index, item.embedding) for item in answer.data] == [("embedding", 0, TREE)]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert journal.requests(1)[0]["body"]["encoding_format"] == "base64"


def test_packed_and_plain_are_the_same(client):
    create = client.embeddings.create
    packed = create(model="scripted-embedding", input="sun").data[0].embedding
    plain = create(model="scripted-embedding", input="sun", encoding_format="float").data[0].embedding
    assert packed == pytest.approx(plain)
    assert sum(number * number for number in plain) == pytest.approx(1)


def test_several_keep_their_order(client):
    create = client.embeddings.create
    alone = [create(model="scripted-embedding", input=text).data[0].embedding for text in ("sun", "moon")]
    together = create(model="scripted-embedding", input=["sun", "moon", "sun"]).data
    assert [item.index for item in together] == [0, 1, 2]
    assert [item.embedding for item in together] == [alone[0], alone[1], alone[0]]
    assert alone[0] != alone[1]


def test_tokens(client):
    data = client.embeddings.create(model="scripted-embedding", input=[[1, 2, 3], [4]]).data
    assert [len(item.embedding) for item in data] == [8, 8]


def test_dimensions(client):
    data = client.embeddings.create(model="scripted-embedding", input="sun", dimensions=8).data
    assert len(data[0].embedding) == 8
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="scripted-embedding", input="sun", dimensions=9)
    assert caught.value.param == "dimensions"


async def test_asynchronous():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        answer = await client.embeddings.create(model="scripted-embedding", input="a tree")
    assert answer.data[0].embedding == TREE


def test_nothing_to_embed(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="scripted-embedding", input=[])
    assert caught.value.param == "input"
