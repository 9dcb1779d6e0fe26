// The AI SDK: its provider for OpenAI, which speaks of responses and of chats, and the one for servers that are like it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  Output,
  embed,
  embedMany,
  generateObject,
  generateText,
  stepCountIs,
  streamObject,
  streamText,
  tool,
} from 'ai';
import { z } from 'zod';
import { POEM, all, clearJournal, journal } from './server.mjs';

const settings = { baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const openai = createOpenAI(settings);
const compatible = createOpenAICompatible({
  ...settings,
  name: 'interference',
  includeUsage: true,
  supportsStructuredOutputs: true,
});

/** Each test, with every kind of model that talks, and the number of events before the first piece of its text. */
function withEach(name, body) {
  for (const [provider, chat, before] of [
    ['openai', (model) => openai(model), 4],
    ['openai.chat', (model) => openai.chat(model), 1],
    ['openai-compatible', (model) => compatible.chatModel(model), 1],
  ]) {
    test(`${name}, ${provider}`, () => body(chat, before));
  }
}

const prompt = 'write a poem about a tree';

withEach('generateText', async (chat) => {
  const { text, finishReason, usage } = await generateText({ model: chat('scripted'), prompt, maxRetries: 0 });
  assert.deepEqual([text, finishReason], [POEM, 'stop']);
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [12, 13, 25]);
});

withEach('streamText', async (chat) => {
  const result = streamText({ model: chat('scripted'), prompt, maxRetries: 0 });
  const pieces = await all(result.textStream);
  assert.deepEqual(pieces.slice(0, 3), ['An', ' oak', ' stands']);
  assert.equal(pieces.join(''), POEM);
  assert.equal(await result.finishReason, 'stop');
  assert.equal((await result.usage).totalTokens, 25);
});

const event = z.object({ name: z.string(), day: z.string(), participants: z.array(z.string()) });
const EVENT = { name: 'science fair', day: 'Friday', participants: ['Alice', 'Bob'] };
const question = 'Alice and Bob go to a science fair on Friday.';

withEach('generateObject and Output.object', async (chat) => {
  await clearJournal();
  const asked = { model: chat('scripted'), prompt: question, maxRetries: 0 };
  const { object } = await generateObject({ ...asked, schema: event });
  assert.deepEqual(object, EVENT);
  const { output } = await generateText({ ...asked, output: Output.object({ schema: event }) });
  assert.deepEqual(output, EVENT);
  for (const { body } of await journal(2)) {
    assert.equal((body.response_format ?? body.text.format).type, 'json_schema');
  }
});

withEach('streamObject', async (chat) => {
  const result = streamObject({ model: chat('scripted'), prompt: question, schema: event, maxRetries: 0 });
  const partial = await all(result.partialObjectStream);
  assert.ok(partial.some((object) => object.name === 'science fair' && object.participants === undefined));
  assert.deepEqual(await result.object, EVENT);
});

function weather(cities) {
  return tool({
    description: 'What the weather will be.',
    inputSchema: z.object({ city: z.string(), days: z.number().int() }),
    execute: async ({ city }) => {
      cities.push(city);
      return city === 'Oslo' ? 'rain' : 'sun';
    },
  });
}

withEach('tools, whole and streamed', async (chat) => {
  const cities = [];
  const asked = {
    model: chat('scripted'),
    prompt: 'the weather in Oslo and Rome?',
    tools: { get_weather: weather(cities) },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  };
  const { text, steps } = await generateText(asked);
  assert.deepEqual(steps.map((step) => step.finishReason), ['tool-calls', 'stop']);
  assert.equal(text, 'Rain in Oslo, sun in Rome.');

  const result = streamText(asked);
  assert.equal((await all(result.textStream)).join(''), 'Let me look.Rain in Oslo, sun in Rome.');
  const [first] = await result.steps;
  assert.deepEqual(first.toolCalls.map((call) => call.input), [{ city: 'Oslo', days: 1 }, { city: 'Rome', days: 2 }]);
  assert.deepEqual(cities, ['Oslo', 'Rome', 'Oslo', 'Rome']);
});

test('reasoning, openai-compatible', async () => {
  const asked = { model: compatible.chatModel('scripted'), prompt: 'think first', maxRetries: 0 };
  const whole = await generateText(asked);
  assert.deepEqual([whole.reasoningText, whole.text], ['Two and two.', 'Four.']);
  const streamed = streamText(asked);
  assert.deepEqual([await streamed.reasoningText, await streamed.text], ['Two and two.', 'Four.']);
});

for (const [provider, model] of [
  ['openai', openai.embedding('scripted-embedding')],
  ['openai-compatible', compatible.embeddingModel('scripted-embedding')],
]) {
  test(`embed and embedMany, ${provider}`, async () => {
    const { embedding, usage } = await embed({ model, value: 'a tree', maxRetries: 0 });
    assert.deepEqual(embedding, [0.6, -0.8]);
    assert.ok(usage.tokens > 0);
    const { embeddings } = await embedMany({ model, values: ['sun', 'moon', 'sun'], maxRetries: 0 });
    assert.deepEqual(embeddings.map((vector) => vector.length), [8, 8, 8]);
    assert.deepEqual(embeddings[0], embeddings[2]);
  });
}

withEach('errors', async (chat) => {
  const failing = (model, text, maxRetries = 0) => generateText({ model: chat(model), prompt: text, maxRetries });
  await assert.rejects(failing('scripted', 'a bad request'), (thrown) => {
    assert.ok(APICallError.isInstance(thrown));
    return thrown.statusCode === 400 && !thrown.isRetryable && thrown.message === 'That is too much.';
  });
  await assert.rejects(failing('no-such-model', prompt), (thrown) => thrown.statusCode === 404);

  await clearJournal();
  const busy = "http = { status = 429, retry_after = '10ms', retry_after_form = 'milliseconds' }";
  await assert.rejects(failing(`scripted#${busy}`, prompt, 2), (thrown) => thrown.lastError.statusCode === 429);
  assert.equal((await journal(3)).length, 3);
});

/** What a stream with this fault gave, and how it went wrong. */
async function broken(model) {
  const errors = [];
  const onError = ({ error }) => errors.push(error);
  let text = '';
  try {
    for await (const piece of streamText({ model, prompt, maxRetries: 0, onError }).textStream) text += piece;
  } catch (error) {
    errors.push(error);
  }
  return { text, errors };
}

withEach('a stream that breaks off', async (chat, before) => {
  const { text, errors } = await broken(chat(`scripted#cut.after_events=${before + 3}`));
  assert.equal(text, 'An oak stands');
  assert.ok(errors.length > 0);
});

withEach('an error in a stream', async (chat, before) => {
  const fault = `error = { after_events = ${before + 3}, message = 'The engine stopped.' }`;
  const { text, errors } = await broken(chat(`scripted#${fault}`));
  assert.equal(text, 'An oak stands');
  assert.match(JSON.stringify(errors), /The engine stopped\./);
});
