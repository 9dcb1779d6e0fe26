"""What all tests share: a client of the server at OPENAI_BASE_URL, and the server's journal."""

import openai
import pytest


@pytest.fixture
def client():
    """Address and key come from the environment, as in any application. Nothing is sent twice unless a test says so."""
    with openai.OpenAI(max_retries=0) as client:
        yield client


class Journal:
    """What the server got from the test that holds it, and nothing from before."""

    def __init__(self, client):
        self.client = client
        client.delete("/_interference/requests", cast_to=object)

    def requests(self, count):
        """All exchanges, as soon as so many have ended."""
        path = f"/_interference/requests?min={count}&ended=true&timeout=10s"
        journal = self.client.get(path, cast_to=object)
        assert not journal["timed_out"], journal
        return journal["requests"]


@pytest.fixture
def journal(client):
    return Journal(client)
