"""The standard tests that LangChain has for its integrations, with ChatOpenAI and OpenAIEmbeddings on `langchain.toml`.

They fetch pictures, sounds and documents from the web; here they get a few bytes instead, since what is tested is that
the server takes messages with such parts. One test is skipped by the suite itself: `test_stream_time` measures on a
recorded exchange, and there is none. Of responses the test with audio is left out: LangChain sends none there.
"""

import httpx
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests


@pytest.fixture(autouse=True)
def nothing_from_the_web(monkeypatch):
    def get(url, **options):
        return httpx.Response(200, content=b"some bytes")

    monkeypatch.setattr("langchain_tests.integration_tests.chat_models.httpx.get", get)


class TestChatOpenAI(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    chat_model_params = {"model": "scripted", "stream_usage": True}
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    model_override_value = "another-scripted"


class TestChatOpenAIWithResponses(TestChatOpenAI):
    """The same through the Responses API."""

    chat_model_params = {"model": "scripted", "use_responses_api": True}
    # LangChain leaves sounds out of what it sends: the test would hold nothing against the server.
    supports_audio_inputs = False


class TestOpenAIEmbeddings(EmbeddingsIntegrationTests):
    embeddings_class = OpenAIEmbeddings
    # Otherwise it counts tokens first, with an encoding that it fetches from the web.
    embedding_model_params = {"model": "scripted-embedding", "check_embedding_ctx_length": False}
