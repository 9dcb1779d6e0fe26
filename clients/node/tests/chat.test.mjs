// Chats through openai-node: whole, streamed, and with its helper for streams.

import assert from 'node:assert/strict';
import test from 'node:test';
import { POEM, all, chat, clearJournal, client, journal } from './server.mjs';

const PROMPT = 'write a poem about a tree';

test('a whole answer', async () => {
  const completion = await client.chat.completions.create(chat(PROMPT));
  const [choice] = completion.choices;
  assert.equal(choice.message.content, POEM);
  assert.equal(choice.finish_reason, 'stop');
  assert.deepEqual(completion.usage, {
    ...completion.usage,
    prompt_tokens: 12,
    completion_tokens: 13,
    total_tokens: 25,
  });
});

test('a stream', async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await client.chat.completions.create(chat(PROMPT, options)));
  const last = chunks.pop();
  assert.deepEqual([last.choices, last.usage.total_tokens], [[], 25]);
  assert.deepEqual(new Set(chunks.map((chunk) => chunk.usage)), new Set([null]));
  assert.deepEqual(
    chunks.map((chunk) => chunk.choices[0].delta.role),
    ['assistant', ...Array(chunks.length - 1).fill(undefined)],
  );
  const pieces = chunks.map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
  assert.deepEqual(pieces.slice(0, 3), ['An', ' oak', ' stands']);
  assert.equal(pieces.join(''), POEM);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
});

test('the helper for streams', async () => {
  const stream = client.chat.completions.stream(chat(PROMPT));
  const seen = [];
  stream.on('content', (delta) => seen.push(delta));
  assert.equal(await stream.finalContent(), POEM);
  assert.equal(seen.join(''), POEM);
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].finish_reason, 'stop');
});

test('a stream that is left', async () => {
  await clearJournal();
  const stream = await client.chat.completions.create(chat('slowly', { stream: true }));
  for await (const chunk of stream) {
    assert.equal(chunk.choices[0].delta.role, 'assistant');
    break;
  }
  const [request] = await journal(1);
  assert.equal(request.ended, 'client_gone');
});

test('characters of all lengths', async () => {
  const stream = await client.chat.completions.create(chat('in many languages', { stream: true }));
  const pieces = (await all(stream)).map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
  assert.deepEqual(pieces, [...'Baum, arbre, δέντρο, 木, 🌳']);
});

test('log probabilities', async () => {
  const parameters = chat(PROMPT, { logprobs: true, top_logprobs: 1 });
  const completion = await client.chat.completions.create(parameters);
  const tokens = completion.choices[0].logprobs.content;
  assert.equal(Buffer.from(tokens.flatMap((token) => token.bytes)).toString(), POEM);
  const streamed = await client.chat.completions.stream(parameters).finalChatCompletion();
  assert.deepEqual(streamed.choices[0].logprobs.content, tokens);
});

test('several choices', async () => {
  const stream = client.chat.completions.stream(chat(PROMPT, { n: 2 }));
  const { choices } = await stream.finalChatCompletion();
  assert.deepEqual(choices.map((choice) => [choice.index, choice.message.content]), [[0, POEM], [1, POEM]]);
});

test('many at once', async () => {
  const echo = async (number) => {
    const stream = client.chat.completions.stream(chat(`say ${number}`));
    return stream.finalContent();
  };
  const numbers = Array.from({ length: 20 }, (_, number) => String(number));
  assert.deepEqual(await Promise.all(numbers.map(echo)), numbers);
});

test('models', async () => {
  const models = await all(client.models.list());
  assert.deepEqual(models.map((model) => model.id), ['scripted', 'scripted-embedding']);
  assert.equal((await client.models.retrieve('scripted')).object, 'model');
});
