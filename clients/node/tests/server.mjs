// What all tests share: clients of the server at OPENAI_BASE_URL, and the server's journal.

import assert from 'node:assert/strict';
import OpenAI from 'openai';

/** Address and key come from the environment, as in any application. Nothing is sent twice unless a test says so. */
export const client = new OpenAI({ maxRetries: 0 });

export const POEM = 'An oak stands in the wind, and bends, and does not break.';

/** A chat with one message. */
export function chat(content, parameters = {}) {
  return { model: 'scripted', messages: [{ role: 'user', content }], ...parameters };
}

/** What is in an asynchronous iterable. */
export async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** Makes the server forget what came before. */
export async function clearJournal() {
  await client.delete('/_interference/requests');
}

/** What the server got since, as soon as so many exchanges have ended. */
export async function journal(count) {
  const journal = await client.get(`/_interference/requests?min=${count}&ended=true&timeout=10s`);
  assert.equal(journal.timed_out, false);
  return journal.requests;
}
