#!/usr/bin/env bash
# One chat request with curl; the raw answer goes to stdout as it arrives.
#
#     chat.sh [--no-stream] [PROMPT]
#
# OPENAI_BASE_URL names the server, OPENAI_API_KEY the key. MODEL, TEMPERATURE, SEED and MAX_TOKENS are sent when set.
# An answer with an error status is printed too; the exit code is then curl's 22.
set -euo pipefail

stream=true
if [ "${1:-}" = --no-stream ]; then
  stream=false
  shift
fi

# The text as a JSON string; control characters other than the usual three are dropped.
json_string() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  printf '"%s"' "$(printf '%s' "$text" | tr -d '\000-\037')"
}

body="{\"model\":$(json_string "${MODEL:-gpt-3.5-turbo}"),\"stream\":$stream"
body+=",\"messages\":[{\"role\":\"user\",\"content\":$(json_string "${1:-write a poem about a tree}")}]"
body+="${TEMPERATURE:+,\"temperature\":$TEMPERATURE}${SEED:+,\"seed\":$SEED}${MAX_TOKENS:+,\"max_tokens\":$MAX_TOKENS}}"

curl --silent --show-error --no-buffer --fail-with-body \
  --header 'content-type: application/json' \
  --header "authorization: Bearer ${OPENAI_API_KEY:-unused}" \
  --data-binary "$body" \
  "${OPENAI_BASE_URL:-http://localhost:1337/v1}/chat/completions"
