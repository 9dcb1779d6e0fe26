// Calls of tools through openai-node: whole, in pieces, parsed, and run by the SDK itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { zodFunction } from 'openai/helpers/zod';
import { z } from 'zod';
import { all, chat, client } from './server.mjs';

const Weather = z.object({ city: z.string(), days: z.number().int() });
const tool = zodFunction({ name: 'get_weather', parameters: Weather });
const OSLO = { city: 'Oslo', days: 1 };
const ROME = { city: 'Rome', days: 2 };
const one = chat('the weather in Oslo?', { tools: [tool] });
const two = chat('the weather in Oslo and Rome?', { tools: [tool] });

test('a whole call', async () => {
  const [choice] = (await client.chat.completions.create(one)).choices;
  assert.equal(choice.finish_reason, 'tool_calls');
  assert.equal(choice.message.content, null);
  const [call] = choice.message.tool_calls;
  assert.deepEqual([call.id, call.type, call.function.name], ['call_oslo', 'function', 'get_weather']);
  assert.deepEqual(JSON.parse(call.function.arguments), OSLO);
});

test('calls in pieces', async () => {
  const chunks = await all(await client.chat.completions.create({ ...two, stream: true }));
  const fragments = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  for (const [index, expected] of [OSLO, ROME].entries()) {
    const [first, ...others] = fragments.filter((fragment) => fragment.index === index);
    assert.equal(first.function.name, 'get_weather');
    assert.ok(others.length > 1, 'the arguments come in pieces');
    assert.ok(others.every((other) => !('id' in other) && !('name' in other.function)));
    const text = [first, ...others].map((fragment) => fragment.function.arguments ?? '').join('');
    assert.deepEqual(JSON.parse(text), expected);
  }
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
});

test('calls parsed by the helper', async () => {
  const whole = await client.chat.completions.parse(two);
  const streamed = await client.chat.completions.stream(two).finalChatCompletion();
  for (const completion of [whole, streamed]) {
    const calls = completion.choices[0].message.tool_calls;
    assert.deepEqual(calls.map((call) => call.function.parsed_arguments), [OSLO, ROME]);
  }
});

for (const stream of [false, true]) {
  test(`tools that the SDK runs${stream ? ', streamed' : ''}`, async () => {
    const cities = [];
    const run = ({ city }) => {
      cities.push(city);
      return city === 'Oslo' ? 'rain' : 'sun';
    };
    const runnable = zodFunction({ name: 'get_weather', parameters: Weather, function: run });
    const runner = client.chat.completions.runTools({ ...two, tools: [runnable], stream });
    assert.equal(await runner.finalContent(), 'Rain in Oslo, sun in Rome.');
    assert.deepEqual(cities, ['Oslo', 'Rome']);
    assert.deepEqual(runner.messages.map((message) => message.role), ['user', 'assistant', 'tool', 'tool', 'assistant']);
  });
}
