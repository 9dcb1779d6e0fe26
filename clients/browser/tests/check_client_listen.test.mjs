// The page of `check-client --listen`, used as a person uses it: PAGE is its address, with the cases `stream.*` and
// `framing.crlf`.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { launch } from '../browser.mjs';

const PAGE = process.env.PAGE;
const TEXT = 'An oak stands 木 in the wind, bends 🌳, and does not break.';

let browser;
let page;
let downloads;
const complaints = [];

before(async () => {
  downloads = await mkdtemp(join(tmpdir(), 'downloads-'));
  browser = await launch();
  const origin = new URL(PAGE).origin;
  // A window that nobody looks at may not write to the clipboard by itself.
  await browser.defaultBrowserContext().overridePermissions(origin, ['clipboard-read', 'clipboard-sanitized-write']);
  page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => {
    // So Chromium ends a request whose answer is a download, or has no content.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') complaints.push(`${request.url()}: ${errorText}`);
  });
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  await page.goto(PAGE);
});

after(async () => {
  await browser?.close();
  await rm(downloads, { recursive: true, force: true });
});

/** Clicks the button, link or summary of this name, inside `within` if that is given. */
async function click(name, within = '') {
  await page.locator(`${within} ::-p-aria([name="${name}"])`).click();
}

/** Waits until the first element that fits has a text like this. */
async function sees(selector, expected) {
  const isThere = (selector, source, flags) =>
    new RegExp(source, flags).test(document.querySelector(selector)?.innerText);
  try {
    await page.waitForFunction(isThere, { polling: 'mutation' }, selector, expected.source, expected.flags);
  } catch (error) {
    const seen = await page.$eval(selector, (element) => element.innerText).catch(() => 'nothing');
    throw new Error(`${selector} shows “${seen}”, not ${expected}`, { cause: error });
  }
}

/** The texts of all elements that fit. */
const texts = (selector) => page.$$eval(selector, (elements) => elements.map((element) => element.innerText));

/** What stands in the table about a case: the row, and what unfolds below it. */
const row = (slug) => `#cases tr:has([aria-label="Copy the base URL of ${slug}"])`;
const detail = (slug) => `${row(slug)} + .detail`;
const cell = (slug, client) => `${row(slug)} .cell[data-client="${client}"]`;

/** What a client does with a base URL: it asks for one streamed chat, and reads it to its end. */
async function ask(baseUrl) {
  const body = JSON.stringify({ model: 'exam', stream: true, messages: [{ role: 'user', content: 'hello' }] });
  const answer = await fetch(`${baseUrl}/chat/completions`, { method: 'POST', body });
  return answer.text();
}

test('every case has an address, which the name of the client changes', async () => {
  await sees('#state', /^3 cases; the page updates itself\.$/);
  assert.deepEqual(await texts('#cases h2'), ['The ordinary stream', 'Legal framings']);
  await sees(`${row('stream.ordinary')} .url code`, new RegExp(`^${PAGE}stream\\.ordinary/v1$`));
  await page.locator('#client').fill('phone');
  await sees(`${row('stream.ordinary')} .url code`, new RegExp(`^${PAGE}as/phone/stream\\.ordinary/v1$`));
  await sees('#account', /curl .*\/as\/phone\/stream\.ordinary\/report$/s);
  await sees(cell('stream.ordinary', 'phone'), /^not asked yet$/);
});

test('an address is copied, and a client that asks there is seen', async () => {
  await click('Copy the base URL of stream.ordinary');
  await sees(`${row('stream.ordinary')} .url button`, /^Copied$/);
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, `${PAGE}as/phone/stream.ordinary/v1`);
  assert.match(await ask(copied), /\[DONE\]/);
  await sees(cell('stream.ordinary', 'phone'), /^asked 1×, no report yet$/);
  await sees('#clients', /^phone\s+0 of 3 reported: /);
});

test('a browser that keeps its clipboard to itself copies all the same', async () => {
  await page.evaluate(() => { navigator.clipboard.writeText = async () => { throw new Error('refused'); }; });
  await click('Copy the base URL of framing.crlf');
  await sees(`${row('framing.crlf')} .url button`, /^Copied$/);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${PAGE}as/phone/framing.crlf/v1`);
});

test('an account that is pasted is judged', async () => {
  await click('stream.ordinary', row('stream.ordinary'));
  const within = detail('stream.ordinary');
  await sees(`${within} .seen`, /^It asked\. What did it get\?$/);
  await page.locator(`${within} ::-p-text(Paste an account)`).click();
  await page.locator(`${within} textarea`).fill(JSON.stringify({ text: TEXT, finish_reason: 'stop', error: null }));
  await click('Judge it', within);
  await sees(cell('stream.ordinary', 'phone'), /^✓ PASS$/);
  await sees(`${within} .of-client h3`, /^phone ✓ PASS$/);
  await sees('#clients', /^phone\s+1 of 3 reported: /);
  await page.locator(`${within} ::-p-text(Evidence)`).click();
  await sees(`${within} .wire`, /POST \/as\/phone\/stream\.ordinary\/v1\/chat\/completions HTTP\/1\.1/);
});

test('what is no account is told, and what was written stays', async () => {
  await ask(`${PAGE}as/phone/stream.finish-reason/v1`);
  await click('stream.finish-reason', row('stream.finish-reason'));
  const within = detail('stream.finish-reason');
  await page.locator(`${within} ::-p-text(Paste an account)`).click();
  await page.locator(`${within} textarea`).fill('An oak stands');
  await click('Judge it', within);
  await sees(`${within} .told`, /^a report is one JSON object/);
  assert.equal(await page.$eval(`${within} textarea`, (area) => area.value), 'An oak stands');
  await sees(cell('stream.finish-reason', 'phone'), /^asked 1×, no report yet$/);
  assert.deepEqual(complaints.splice(0), [
    'Failed to load resource: the server responded with a status of 400 (Bad Request)',
  ]);
});

test('who writes goes on writing when a client asks meanwhile', async () => {
  const area = await page.$(`${detail('stream.finish-reason')} textarea`);
  await area.focus();
  await area.evaluate((it) => it.setSelectionRange(it.value.length, it.value.length));
  await page.keyboard.type(' in');
  await ask(`${PAGE}as/phone/stream.finish-reason/v1`);
  await sees(cell('stream.finish-reason', 'phone'), /^asked 2×, no report yet$/);
  await page.keyboard.type(' the wind');
  assert.equal(await area.evaluate((it) => it.value), 'An oak stands in the wind');
});

test('what a person saw is judged, and can be taken back', async () => {
  await ask(`${PAGE}as/phone/framing.crlf/v1`);
  await click('framing.crlf', row('framing.crlf'));
  const within = detail('framing.crlf');
  await click('A part of it, no error', within);
  await sees(cell('framing.crlf', 'phone'), /^✗ FAIL$/);
  await sees(`${within} .seen`, /^silent loss: a part of the text, and no error \(as a person saw it\)$/);
  await sees('#clients', /^phone\s+2 of 3 reported: 1 MUST broken/);
  await click('Begin again', within);
  await sees(cell('framing.crlf', 'phone'), /^not asked yet$/);
  await ask(`${PAGE}as/phone/framing.crlf/v1`);
  await click('The whole text', within);
  await sees(cell('framing.crlf', 'phone'), /^✓ PASS$/);
});

test('a report is kept', async () => {
  const session = await page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads, eventsEnabled: true });
  const saved = new Promise((resolve, reject) => {
    session.on('Browser.downloadProgress', ({ state }) => {
      if (state === 'completed') resolve();
      if (state === 'canceled') reject(new Error('the download was cancelled'));
    });
  });
  await click('junit report of phone');
  await saved;
  const report = await readFile(join(downloads, 'check-client-phone.xml'), 'utf8');
  assert.match(report, /<testcase [^>]*stream\.ordinary/);
});

test('a second client has a column of its own, and leaves', async () => {
  await ask(`${PAGE}as/tablet/framing.crlf/v1`);
  await sees(cell('framing.crlf', 'tablet'), /^asked 1×, no report yet$/);
  assert.deepEqual(await texts('#cases .grid:first-of-type > table > thead .column'), ['phone', 'tablet']);
  await click('Forget tablet');
  await page.waitForSelector(cell('framing.crlf', 'tablet'), { hidden: true });
  assert.deepEqual(await texts('#clients strong'), ['phone']);
});

test('nothing is wider than the window, of a telephone or of a desk', async () => {
  for (const width of [360, 1280]) {
    await page.setViewport({ width, height: 800 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
});

test('the browser had nothing to complain about', () => {
  assert.deepEqual(complaints, []);
});
