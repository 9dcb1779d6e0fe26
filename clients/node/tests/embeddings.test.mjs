// Embeddings through openai-node, which asks for base64 unless it is told otherwise.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BadRequestError } from 'openai';
import { clearJournal, client, journal } from './server.mjs';

const model = 'scripted-embedding';
const embed = (parameters) => client.embeddings.create({ model, ...parameters });

test('the default is packed', async () => {
  await clearJournal();
  const { data, usage } = await embed({ input: 'a tree' });
  assert.deepEqual(data.map(({ embedding }) => embedding.map((number) => number.toFixed(4))), [['0.6000', '-0.8000']]);
  assert.equal(usage.prompt_tokens, usage.total_tokens);
  const [request] = await journal(1);
  assert.equal(request.body.encoding_format, 'base64');
});

test('packed and plain are the same', async () => {
  const packed = (await embed({ input: 'sun' })).data[0].embedding;
  const plain = (await embed({ input: 'sun', encoding_format: 'float' })).data[0].embedding;
  assert.deepEqual(packed.map(Math.fround), plain.map(Math.fround));
});

test('several keep their order', async () => {
  const [sun, moon] = await Promise.all(['sun', 'moon'].map((input) => embed({ input })));
  const { data } = await embed({ input: ['sun', 'moon', 'sun'] });
  assert.deepEqual(data.map(({ index }) => index), [0, 1, 2]);
  assert.deepEqual(
    data.map(({ embedding }) => embedding),
    [sun, moon, sun].map((answer) => answer.data[0].embedding),
  );
});

test('dimensions', async () => {
  assert.equal((await embed({ input: 'sun', dimensions: 8 })).data[0].embedding.length, 8);
  await assert.rejects(embed({ input: 'sun', dimensions: 9 }), (error) => {
    assert.ok(error instanceof BadRequestError);
    return error.param === 'dimensions';
  });
});
