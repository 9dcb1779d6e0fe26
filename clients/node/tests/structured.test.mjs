// Answers that openai-node reads into a schema of zod, and the ways in which they are none.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ContentFilterFinishReasonError, LengthFinishReasonError } from 'openai/error';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { chat, clearJournal, client, journal } from './server.mjs';

const Event = z.object({ name: z.string(), day: z.string(), participants: z.array(z.string()) });
const EVENT = { name: 'science fair', day: 'Friday', participants: ['Alice', 'Bob'] };
const QUESTION = 'Alice and Bob go to a science fair on Friday.';
const response_format = zodResponseFormat(Event, 'event');

test('parsed', async () => {
  await clearJournal();
  const completion = await client.chat.completions.parse(chat(QUESTION, { response_format }));
  assert.deepEqual(completion.choices[0].message.parsed, EVENT);
  const [request] = await journal(1);
  assert.equal(request.body.response_format.json_schema.strict, true);
});

test('parsed as it comes', async () => {
  const stream = client.chat.completions.stream(chat(QUESTION, { response_format }));
  const seen = [];
  stream.on('content.delta', ({ parsed }) => seen.push(parsed));
  const completion = await stream.finalChatCompletion();
  assert.deepEqual(completion.choices[0].message.parsed, EVENT);
  assert.ok(seen.some((parsed) => parsed?.name === 'science fair' && parsed.participants === undefined));
});

test('a refusal', async () => {
  const completion = await client.chat.completions.parse(chat('something forbidden', { response_format }));
  const { message } = completion.choices[0];
  assert.deepEqual([message.parsed, message.content], [null, null]);
  assert.equal(message.refusal, 'I cannot help with that.');
});

test('an answer that was cut', async () => {
  const parameters = chat(QUESTION, { response_format, max_completion_tokens: 3 });
  await assert.rejects(client.chat.completions.parse(parameters), LengthFinishReasonError);
});

test('an answer that was filtered', async () => {
  const parameters = chat('something that is filtered', { response_format });
  await assert.rejects(client.chat.completions.parse(parameters), ContentFilterFinishReasonError);
});
