#!/bin/sh
# One streamed chat through `interference chat`, for `interference check-client`.
#
# INTERFERENCE names the binary; without it, the one on the PATH is taken. Address and key come from OPENAI_BASE_URL and
# OPENAI_API_KEY.
exec "${INTERFERENCE:-interference}" chat --json --model "$INTERFERENCE_MODEL" \
  --timeout "${INTERFERENCE_TIMEOUT_MS}e-3" ${INTERFERENCE_TOOLS:+--tools "$INTERFERENCE_TOOLS"} -- "$INTERFERENCE_PROMPT"
