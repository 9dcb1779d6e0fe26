"""Asks a local OpenAI server for a poem about a tree, and prints it as it arrives.

The server is the one at http://localhost:1337, without a /v1, unless OPENAI_BASE_URL names another. The answer is
streamed unless --no-stream is given or STREAM is 0. The openai package is the last one before 1.0.
"""

import os
import sys

import openai

openai.api_key = os.environ.get("OPENAI_API_KEY") or "unused"
openai.api_base = os.environ.get("OPENAI_BASE_URL") or "http://localhost:1337"


def main():
    stream = "--no-stream" not in sys.argv[1:] and os.environ.get("STREAM") != "0"
    chat_completion = openai.ChatCompletion.create(
        model="gpt-3.5-turbo",
        messages=[{"role": "user", "content": "write a poem about a tree"}],
        stream=stream,
    )

    if isinstance(chat_completion, dict):
        print(chat_completion.choices[0].message.content)
    else:
        for token in chat_completion:
            content = token["choices"][0]["delta"].get("content")
            if content is not None:
                print(content, end="", flush=True)
        print()


if __name__ == "__main__":
    main()
