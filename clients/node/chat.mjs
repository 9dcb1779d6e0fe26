// One chat request through openai-node; what came of it, as one JSON object on stdout.
//
//     node chat.mjs [PROMPT] [--no-stream] [--model NAME] [--temperature T] [--seed N] [--max-tokens N]
//
// The address comes from OPENAI_BASE_URL, the key from OPENAI_API_KEY (any will do for a local server). Exit code 0
// means that the answer arrived whole, 1 that it did not; then "error" says why, beside whatever text had arrived.

import { parseArgs } from 'node:util';
import OpenAI, { OpenAIError } from 'openai';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'no-stream': { type: 'boolean', default: false },
    model: { type: 'string', default: 'gpt-3.5-turbo' },
    temperature: { type: 'string' },
    seed: { type: 'string' },
    'max-tokens': { type: 'string' },
  },
});

function takeWhole(completion, answer) {
  const [choice] = completion.choices;
  answer.text = choice.message.content ?? '';
  answer.finish_reason = choice.finish_reason;
  answer.tool_calls = choice.message.tool_calls ?? [];
  answer.usage = completion.usage ?? null;
}

async function takeStream(chunks, answer) {
  const calls = new Map();
  for await (const chunk of chunks) {
    answer.usage = chunk.usage ?? answer.usage;
    for (const choice of chunk.choices ?? []) {
      answer.finish_reason = choice.finish_reason ?? answer.finish_reason;
      answer.text += choice.delta?.content ?? '';
      for (const fragment of choice.delta?.tool_calls ?? []) {
        addFragment(calls, fragment);
        answer.tool_calls = [...calls.values()];
      }
    }
  }
}

function addFragment(calls, fragment) {
  if (!calls.has(fragment.index)) {
    calls.set(fragment.index, { id: null, type: 'function', function: { name: '', arguments: '' } });
  }
  const call = calls.get(fragment.index);
  call.id = fragment.id ?? call.id;
  call.function.name += fragment.function?.name ?? '';
  call.function.arguments += fragment.function?.arguments ?? '';
}

async function ask(answer) {
  const client = new OpenAI({
    baseURL: process.env.OPENAI_BASE_URL || 'http://localhost:1337/v1',
    apiKey: process.env.OPENAI_API_KEY || 'unused',
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  const request = {
    model: options.model,
    messages: [{ role: 'user', content: positionals[0] ?? 'write a poem about a tree' }],
    temperature: number(options.temperature),
    seed: number(options.seed),
    max_tokens: number(options['max-tokens']),
  };
  if (options['no-stream']) {
    takeWhole(await client.chat.completions.create(request), answer);
  } else {
    const streamed = { ...request, stream: true, stream_options: { include_usage: true } };
    await takeStream(await client.chat.completions.create(streamed), answer);
  }
}

const answer = { text: '', finish_reason: null, tool_calls: [], usage: null, error: null };
try {
  await ask(answer);
} catch (error) {
  answer.error = {
    type: error?.constructor?.name ?? typeof error,
    message: String(error?.message ?? error),
    typed: error instanceof OpenAIError,
  };
}
console.log(JSON.stringify(answer));
process.exitCode = answer.error ? 1 : 0;
