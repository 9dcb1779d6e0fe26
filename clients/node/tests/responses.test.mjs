// Responses through openai-node: whole, streamed, parsed, with tools, and what is kept of them.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BadRequestError, NotFoundError } from 'openai';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { POEM, all, client } from './server.mjs';

const TREE = { model: 'scripted', input: 'write a poem about a tree' };
const weather = zodResponsesFunction({
  name: 'get_weather',
  parameters: z.object({ city: z.string(), days: z.number().int() }),
});
const CITIES = { model: 'scripted', input: 'the weather in Oslo and Rome?', tools: [weather] };
const OSLO = { city: 'Oslo', days: 1 };
const ROME = { city: 'Rome', days: 2 };

test('a whole response', async () => {
  const response = await client.responses.create(TREE);
  assert.deepEqual([response.status, response.output_text], ['completed', POEM]);
  assert.equal(response.usage.total_tokens, 25);
});

test('a stream', async () => {
  const events = await all(await client.responses.create({ ...TREE, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  const deltas = events.filter((event) => event.type === 'response.output_text.delta');
  assert.equal(deltas.map((event) => event.delta).join(''), POEM);
  assert.equal(events.at(-1).type, 'response.completed');
});

test('the helper for streams', async () => {
  const stream = client.responses.stream(TREE);
  const seen = [];
  stream.on('response.output_text.delta', ({ delta }) => seen.push(delta));
  const response = await stream.finalResponse();
  assert.deepEqual([seen.join(''), response.output_text], [POEM, POEM]);
});

test('parsed', async () => {
  const format = zodTextFormat(z.object({ name: z.string(), day: z.string(), participants: z.array(z.string()) }), 'event');
  const asked = { model: 'scripted', input: 'Alice and Bob go to a science fair on Friday.', text: { format } };
  const expected = { name: 'science fair', day: 'Friday', participants: ['Alice', 'Bob'] };
  assert.deepEqual((await client.responses.parse(asked)).output_parsed, expected);
  assert.deepEqual((await client.responses.stream(asked).finalResponse()).output_parsed, expected);
});

test('tools, there and back', async () => {
  const first = await client.responses.parse(CITIES);
  const calls = first.output.filter((item) => item.type === 'function_call');
  assert.deepEqual(calls.map((call) => call.parsed_arguments), [OSLO, ROME]);
  const input = calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'rain' }));
  const second = await client.responses.create({ ...CITIES, previous_response_id: first.id, input });
  assert.equal(second.output_text, 'Rain in Oslo, sun in Rome.');
});

test('calls in pieces', async () => {
  const events = await all(await client.responses.create({ ...CITIES, stream: true }));
  const deltas = events.filter((event) => event.type === 'response.function_call_arguments.delta');
  const items = [...new Set(deltas.map((event) => event.item_id))];
  const texts = items.map((id) => deltas.filter((event) => event.item_id === id).map((event) => event.delta).join(''));
  assert.deepEqual(texts.map(JSON.parse), [OSLO, ROME]);
});

test('what is kept', async () => {
  const { id } = await client.responses.create(TREE);
  assert.equal((await client.responses.retrieve(id)).output_text, POEM);
  const items = await all(client.responses.inputItems.list(id));
  assert.deepEqual(items.map((item) => item.content), [[{ type: 'input_text', text: TREE.input }]]);
  await client.responses.delete(id);
  await assert.rejects(client.responses.retrieve(id), NotFoundError);
});

test('errors', async () => {
  await assert.rejects(client.responses.create({ ...TREE, input: 'a bad request' }), (thrown) => {
    return thrown instanceof BadRequestError && thrown.code === 'context_length_exceeded';
  });
  await assert.rejects(client.responses.create({ ...TREE, temperature: 3 }), (thrown) => thrown.param === 'temperature');
});
