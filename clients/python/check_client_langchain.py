"""One streamed chat through LangChain's ChatOpenAI, for `interference check-client`."""

import json
import os
import sys

from langchain_core.exceptions import LangChainException
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from openai import OpenAIError


def as_call(call):
    """LangChain parses arguments; those that it cannot read stay a text."""
    arguments = call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}


message, failure = AIMessageChunk(""), None
try:
    timeout = int(os.environ["INTERFERENCE_TIMEOUT_MS"]) / 1000
    model = ChatOpenAI(model=os.environ["INTERFERENCE_MODEL"], timeout=timeout)
    if "INTERFERENCE_TOOLS" in os.environ:
        model = model.bind_tools(json.loads(os.environ["INTERFERENCE_TOOLS"]))
    for chunk in model.stream(os.environ["INTERFERENCE_PROMPT"]):
        message += chunk
except Exception as error:  # whatever it is, the user of LangChain gets it
    typed = isinstance(error, (OpenAIError, LangChainException))
    failure = {"type": type(error).__name__, "message": str(error), "typed": typed}
answer = {
    "text": message.text,
    "finish_reason": message.response_metadata.get("finish_reason"),
    "tool_calls": [as_call(call) for call in message.tool_calls + message.invalid_tool_calls],
    "usage": message.usage_metadata,
    "error": failure,
}
print(json.dumps(answer))
sys.exit(1 if failure else 0)
