// One streamed chat through the AI SDK, for `interference check-client`.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AISDKError, jsonSchema, streamText, tool } from 'ai';

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey, INTERFERENCE_MODEL: model } = process.env;
const answer = { text: '', finish_reason: null, tool_calls: [], usage: null, error: null };

function failed(error) {
  const type = error?.constructor?.name ?? typeof error;
  answer.error = { type, message: String(error?.message ?? error), typed: AISDKError.isInstance(error) };
}

function take(part) {
  if (part.type === 'text-delta') answer.text += part.text;
  if (part.type === 'tool-call') {
    // Arguments come parsed; those that the SDK cannot read stay a text.
    const input = typeof part.input === 'string' ? part.input : JSON.stringify(part.input);
    const called = { name: part.toolName, arguments: input };
    answer.tool_calls.push({ id: part.toolCallId, type: 'function', function: called });
  }
  if (part.type === 'finish-step') {
    answer.finish_reason = part.rawFinishReason ?? null;
    answer.usage = part.usage.raw ?? null;
  }
  // Errors are parts of the stream, and so is the end that a time-out makes: nothing is thrown.
  if (part.type === 'error') failed(part.error);
  if (part.type === 'abort') answer.error = { type: 'abort', message: part.reason ?? 'aborted', typed: true };
}

const asTool = ({ function: { name, description, parameters } }) =>
  [name, tool({ description, inputSchema: jsonSchema(parameters) })];

try {
  const { fullStream } = streamText({
    model: createOpenAICompatible({ name: 'check-client', baseURL, apiKey })(model),
    prompt: process.env.INTERFERENCE_PROMPT,
    tools: Object.fromEntries(JSON.parse(process.env.INTERFERENCE_TOOLS ?? '[]').map(asTool)),
    // The bound of each wait, from the first chunk on.
    timeout: { chunkMs: Number(process.env.INTERFERENCE_TIMEOUT_MS) },
  });
  for await (const part of fullStream) take(part);
} catch (error) {
  failed(error);
}
console.log(JSON.stringify(answer));
process.exitCode = answer.error ? 1 : 0;
