// What openai-node throws, how often it tries again, and what it makes of answers that break off.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import * as openai from 'openai';
import { POEM, chat, clearJournal, client, journal } from './server.mjs';

const PROMPT = 'write a poem about a tree';

/** Asks, reads a stream to its end, and gives what it was. */
async function ask(content, parameters = {}, options = {}) {
  const answer = await client.chat.completions.create(chat(content, parameters), options);
  if (!parameters.stream) return answer.choices[0].message.content;
  let text = '';
  for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

const statuses = {
  400: openai.BadRequestError,
  401: openai.AuthenticationError,
  403: openai.PermissionDeniedError,
  404: openai.NotFoundError,
  409: openai.ConflictError,
  422: openai.UnprocessableEntityError,
  429: openai.RateLimitError,
  500: openai.InternalServerError,
};

for (const [status, error] of Object.entries(statuses)) {
  test(`status ${status} is an error of its own`, async () => {
    await assert.rejects(ask(PROMPT, { model: `scripted#http.status=${status}` }), (thrown) => {
      assert.equal(thrown.constructor, error);
      return thrown.status === Number(status);
    });
  });
}

for (const stream of [false, true]) {
  test(`an error tells what is wrong${stream ? ', streamed' : ''}`, async () => {
    await assert.rejects(ask('a bad request', { stream }), (thrown) => {
      assert.ok(thrown instanceof openai.BadRequestError);
      assert.deepEqual([thrown.code, thrown.param], ['context_length_exceeded', 'messages']);
      return thrown.error.message === 'That is too much.';
    });
  });
}

test('a wrong key', async () => {
  const stranger = new openai.OpenAI({ apiKey: 'wrong-key', maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create(chat(PROMPT)), openai.AuthenticationError);
});

test('a model that is not there', async () => {
  await assert.rejects(ask(PROMPT, { model: 'no-such-model' }), (thrown) => {
    return thrown instanceof openai.NotFoundError && thrown.code === 'model_not_found';
  });
});

test('it waits as long as it is told', async () => {
  await clearJournal();
  // In a session of its own, what happens once happens however often the test is run.
  const headers = { 'x-interference-session': randomUUID() };
  assert.equal(await ask(`${PROMPT} when you have time`, {}, { headers, maxRetries: 1 }), POEM);
  const [first, second] = await journal(2);
  assert.deepEqual([first.answer.status, second.answer.status], [429, 200]);
  assert.ok(second.received_at_ms - first.received_at_ms >= 1000);
});

test('it gives up at last', async () => {
  await clearJournal();
  const busy = "http = { status = 503, retry_after = '10ms', retry_after_form = 'milliseconds' }";
  await assert.rejects(ask(PROMPT, { model: `scripted#${busy}` }, { maxRetries: 2 }), openai.InternalServerError);
  const requests = await journal(3);
  assert.deepEqual(requests.map((request) => request.headers['x-stainless-retry-count']), ['0', '1', '2']);
});

test('its patience ends', async () => {
  await clearJournal();
  await assert.rejects(ask('slowly', {}, { timeout: 300 }), openai.APIConnectionTimeoutError);
  const [request] = await journal(1);
  assert.equal(request.ended, 'client_gone');
});

test('a stream that breaks off', async () => {
  await assert.rejects(ask(PROMPT, { model: 'scripted#cut.after_events=4', stream: true }), TypeError);
});

test('an error in a stream', async () => {
  const model = "scripted#error = { after_events = 4, message = 'The engine stopped.' }";
  await assert.rejects(ask(PROMPT, { model, stream: true }), (thrown) => {
    assert.ok(thrown instanceof openai.APIError);
    return thrown.message.includes('The engine stopped.');
  });
});
