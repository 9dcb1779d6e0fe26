"""One streamed chat through the last openai-python before 1.0, for `interference check-client`."""

import json
import os
import sys

import openai
from openai.error import OpenAIError

answer = {"text": "", "finish_reason": None, "tool_calls": [], "usage": None, "error": None}
calls = {}


def take(chunk):
    answer["usage"] = chunk.get("usage") or answer["usage"]
    for choice in chunk.get("choices") or []:
        answer["finish_reason"] = choice.get("finish_reason") or answer["finish_reason"]
        delta = choice.get("delta") or {}
        answer["text"] += delta.get("content") or ""
        for fragment in delta.get("tool_calls") or []:
            new = {"id": fragment.get("id"), "type": "function", "function": {"name": "", "arguments": ""}}
            function = calls.setdefault(fragment.get("index"), new)["function"]
            piece = fragment.get("function") or {}
            function["name"] += piece.get("name") or ""
            function["arguments"] += piece.get("arguments") or ""


openai.api_key = os.environ["OPENAI_API_KEY"]
openai.api_base = os.environ["OPENAI_BASE_URL"]
request = {
    "model": os.environ["INTERFERENCE_MODEL"],
    "messages": [{"role": "user", "content": os.environ["INTERFERENCE_PROMPT"]}],
    "request_timeout": int(os.environ["INTERFERENCE_TIMEOUT_MS"]) / 1000,
}
if "INTERFERENCE_TOOLS" in os.environ:
    request["tools"] = json.loads(os.environ["INTERFERENCE_TOOLS"])
try:
    for chunk in openai.ChatCompletion.create(stream=True, **request):
        take(chunk)
except Exception as error:  # whatever it is, the user of the SDK gets it
    typed = isinstance(error, OpenAIError)
    answer["error"] = {"type": type(error).__name__, "message": str(error), "typed": typed}
answer["tool_calls"] = list(calls.values())
print(json.dumps(answer))
sys.exit(1 if answer["error"] else 0)
