// One streamed chat through openai-node, for `interference check-client`.

import OpenAI, { OpenAIError } from 'openai';

const { INTERFERENCE_MODEL: model, INTERFERENCE_PROMPT: prompt, INTERFERENCE_TOOLS, INTERFERENCE_TIMEOUT_MS } = process.env;
const answer = { text: '', finish_reason: null, tool_calls: [], usage: null, error: null };
const calls = new Map();

function take(chunk) {
  answer.usage = chunk.usage ?? answer.usage;
  for (const { delta, finish_reason } of chunk.choices ?? []) {
    answer.finish_reason = finish_reason ?? answer.finish_reason;
    answer.text += delta?.content ?? '';
    for (const { index, id, function: piece } of delta?.tool_calls ?? []) {
      if (!calls.has(index)) calls.set(index, { id, type: 'function', function: { name: '', arguments: '' } });
      calls.get(index).function.name += piece?.name ?? '';
      calls.get(index).function.arguments += piece?.arguments ?? '';
    }
  }
}

try {
  // It bounds the wait for the head of the answer; the SDK has no bound for the stream after it.
  const client = new OpenAI({ timeout: Number(INTERFERENCE_TIMEOUT_MS) });
  const messages = [{ role: 'user', content: prompt }];
  const tools = INTERFERENCE_TOOLS && JSON.parse(INTERFERENCE_TOOLS);
  for await (const chunk of await client.chat.completions.create({ model, messages, tools, stream: true })) take(chunk);
} catch (error) {
  // Whatever it is, the user of the SDK gets it.
  answer.error = { type: error.constructor.name, message: error.message, typed: error instanceof OpenAIError };
}
answer.tool_calls = [...calls.values()];
console.log(JSON.stringify(answer));
process.exitCode = answer.error ? 1 : 0;
