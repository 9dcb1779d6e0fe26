"""One streamed chat through the newest openai-python, for `interference check-client`."""

import json
import os
import sys

from openai import OpenAI, OpenAIError

answer = {"text": "", "finish_reason": None, "tool_calls": [], "usage": None, "error": None}
calls = {}


def take(chunk):
    if chunk.usage:
        answer["usage"] = chunk.usage.to_dict()
    for choice in chunk.choices or []:
        answer["finish_reason"] = choice.finish_reason or answer["finish_reason"]
        if choice.delta is None:
            continue
        answer["text"] += choice.delta.content or ""
        for fragment in choice.delta.tool_calls or []:
            new = {"id": fragment.id, "type": "function", "function": {"name": "", "arguments": ""}}
            function = calls.setdefault(fragment.index, new)["function"]
            if fragment.function:
                function["name"] += fragment.function.name or ""
                function["arguments"] += fragment.function.arguments or ""


request = {
    "model": os.environ["INTERFERENCE_MODEL"],
    "messages": [{"role": "user", "content": os.environ["INTERFERENCE_PROMPT"]}],
}
if "INTERFERENCE_TOOLS" in os.environ:
    request["tools"] = json.loads(os.environ["INTERFERENCE_TOOLS"])
try:
    client = OpenAI(timeout=int(os.environ["INTERFERENCE_TIMEOUT_MS"]) / 1000)
    for chunk in client.chat.completions.create(stream=True, **request):
        take(chunk)
except Exception as error:  # whatever it is, the user of the SDK gets it
    typed = isinstance(error, OpenAIError)
    answer["error"] = {"type": type(error).__name__, "message": str(error), "typed": typed}
answer["tool_calls"] = list(calls.values())
print(json.dumps(answer))
sys.exit(1 if answer["error"] else 0)
