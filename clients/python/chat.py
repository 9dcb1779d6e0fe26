"""One chat request through the newest openai-python; what came of it, as one JSON object on stdout.

The address comes from OPENAI_BASE_URL, the key from OPENAI_API_KEY (any will do for a local server). Exit code 0
means that the answer arrived whole, 1 that it did not; then "error" says why, beside whatever text had arrived.
"""

import argparse
import json
import os
import sys

from openai import OpenAI, OpenAIError


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt", nargs="?", default="write a poem about a tree")
    parser.add_argument("--no-stream", action="store_true", help="ask for the whole answer at once")
    parser.add_argument("--model", default="gpt-3.5-turbo")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--max-tokens", type=int)
    return parser.parse_args()


def take_whole(completion, answer):
    choice = completion.choices[0]
    answer["text"] = choice.message.content or ""
    answer["finish_reason"] = choice.finish_reason
    answer["tool_calls"] = [call.to_dict() for call in choice.message.tool_calls or []]
    answer["usage"] = completion.usage and completion.usage.to_dict()


def take_stream(chunks, answer):
    calls = {}
    for chunk in chunks:
        if chunk.usage:
            answer["usage"] = chunk.usage.to_dict()
        for choice in chunk.choices or []:
            answer["finish_reason"] = choice.finish_reason or answer["finish_reason"]
            if choice.delta is None:
                continue
            answer["text"] += choice.delta.content or ""
            for fragment in choice.delta.tool_calls or []:
                add_fragment(calls, fragment)
                answer["tool_calls"] = list(calls.values())


def add_fragment(calls, fragment):
    empty = {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
    call = calls.setdefault(fragment.index, empty)
    call["id"] = fragment.id or call["id"]
    if fragment.function:
        call["function"]["name"] += fragment.function.name or ""
        call["function"]["arguments"] += fragment.function.arguments or ""


def ask(arguments, answer):
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL") or "http://localhost:1337/v1",
        api_key=os.environ.get("OPENAI_API_KEY") or "unused",
    )
    options = {name: getattr(arguments, name) for name in ("temperature", "seed", "max_tokens")}
    request = {
        "model": arguments.model,
        "messages": [{"role": "user", "content": arguments.prompt}],
        **{name: value for name, value in options.items() if value is not None},
    }
    if arguments.no_stream:
        take_whole(client.chat.completions.create(**request), answer)
    else:
        request["stream_options"] = {"include_usage": True}
        take_stream(client.chat.completions.create(stream=True, **request), answer)


def main():
    arguments = parse_arguments()
    answer = {"text": "", "finish_reason": None, "tool_calls": [], "usage": None, "error": None}
    try:
        ask(arguments, answer)
    except Exception as error:  # whatever it is, it belongs into the answer
        answer["error"] = {
            "type": type(error).__name__,
            "message": str(error),
            "typed": isinstance(error, OpenAIError),
        }
    print(json.dumps(answer, ensure_ascii=False))
    return 1 if answer["error"] else 0


if __name__ == "__main__":
    sys.exit(main())
