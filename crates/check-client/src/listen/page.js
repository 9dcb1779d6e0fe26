"use strict";

const EVERY_MS = 1000;
const UNNAMED = "unnamed";
const MARKS = [
  ["whole", "The whole text"],
  ["part", "A part of it, no error"],
  ["error", "An error message"],
  ["nothing", "Nothing"],
  ["hang", "It hangs"],
];
const SYMBOLS = { PASS: "✓", FAIL: "✗", "NON-STRICT": "!", INCONCLUSIVE: "?", "HARNESS-ERROR": "‼", SKIP: "–" };
const DOWNLOADS = ["html", "junit", "json"];

/** Makes an element: its attributes, where a function is a listener, and its children. */
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
};
const byId = (id) => document.getElementById(id);
/** Puts a child at a place among its parent's. One that is there stays untouched: moved, it would lose the focus of whoever
 * writes in it. */
const place = (parent, child, index) => {
  if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
};
const shellWord = (text) => (/^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const copyButton = (what, text) => {
  const button = make("button", {
    type: "button",
    "aria-label": `Copy ${what}`,
    click: async () => {
      await copy(text());
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  return button;
};
/** Pages at other addresses than this machine's have no clipboard without TLS, and some may not write to it: there the text
 * is selected, and copied as a person would. */
const copy = async (text) => {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    copySelected(text);
  }
};
const copySelected = (text) => {
  const area = make("textarea", {}, text);
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};

/** Asks, and gives what was answered as JSON, or throws what the answer says is wrong. */
const ask = async (path, options) => {
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error.message);
  return value;
};
const prefix = (client) => (client === UNNAMED ? "" : `/as/${client}`);

const rows = new Map();
let columns = [];
let version = null;

const chosen = () => {
  const input = byId("client");
  return input.validity.valid && input.value ? input.value : UNNAMED;
};
const baseUrl = (slug) => `${location.origin}${prefix(chosen())}/${slug}/v1`;

/** A case: its row, and what unfolds below it. */
const addCase = (table, item) => {
  const detail = make("tr", { class: "detail", hidden: true });
  const opener = make("button", {
    type: "button",
    class: "opener slug",
    "aria-expanded": "false",
    click: () => {
      detail.hidden = !detail.hidden;
      opener.setAttribute("aria-expanded", String(!detail.hidden));
    },
  }, item.slug);
  const url = make("code");
  const row = make("tr", {},
    make("th", { scope: "row", class: "case-name" }, opener, " ", make("span", { class: "level" }, item.level),
      make("span", { class: "requirement" }, item.requirement)),
    make("td", {}, make("div", { class: "url" }, url, copyButton(`the base URL of ${item.slug}`, () => url.textContent))));
  const story = make("dl", { class: "story" },
    make("dt", {}, "is served"), make("dd", {}, item.served),
    make("dt", {}, "is sound"), make("dd", {}, item.sound));
  for (const [name, value] of Object.entries(item.environment)) {
    const line = `export ${name}=${shellWord(value)}`;
    story.append(make("dt", {}, "needs"),
      make("dd", { class: "copied" }, make("pre", {}, line), copyButton(name, () => line)));
  }
  const blocks = make("div");
  const cell = make("td", {}, story, blocks);
  detail.append(cell);
  table.append(row, detail);
  rows.set(item.slug, { item, row, url, cell, blocks, cells: new Map(), details: new Map() });
};

const addCatalogue = (catalogue) => {
  byId("environment").textContent =
    Object.entries(catalogue.environment).map(([name, value]) => `export ${name}=${shellWord(value)}`).join("\n");
  byId("environment").after(copyButton("the environment", () => byId("environment").textContent));
  byId("account").after(copyButton("the example", () => byId("account").textContent));
  for (const group of catalogue.groups) {
    const body = make("tbody");
    const head = make("tr", {}, make("th", { scope: "col" }, "case"), make("th", { scope: "col" }, "base URL"));
    byId("cases").append(make("h2", {}, group.title),
      make("div", { class: "grid" }, make("table", {}, make("thead", {}, head), body)));
    for (const item of group.cases) addCase(body, item);
  }
};

const showAddresses = () => {
  for (const [slug, row] of rows) row.url.textContent = baseUrl(slug);
  const slug = rows.keys().next().value;
  byId("account").textContent = `curl -d '{"text": "…", "finish_reason": "stop", "tool_calls": [], "usage": null, "error": null}' \\\n  `
    + baseUrl(slug).replace(/v1$/, "report");
  if (!columns.some((column) => column.client === chosen())) show(columns);
};

/** What stands in a cell: the verdict, or how far it is. */
const standing = (column, slug) => {
  const found = column.cases?.get(slug);
  const waiting = column.waiting?.[slug] ?? 0;
  if (found && (column.reported.has(slug) || found.verdict === "SKIP")) {
    const again = waiting ? ", asked again" : "";
    return { verdict: found.verdict, word: `${SYMBOLS[found.verdict] ?? "·"} ${found.verdict}${again}`, seen: found.seen };
  }
  if (waiting) return { verdict: "INCONCLUSIVE", word: `asked ${waiting}×, no report yet`, seen: "It asked. What did it get?" };
  return { verdict: "", word: "not asked yet", seen: "It has not asked yet." };
};

/** A client's block below a case; it stays when verdicts change, with what a person has written in it. */
const addBlock = (row, client) => {
  const { slug, environment } = row.item;
  const path = `${prefix(client)}/${slug}/report`;
  const [verdict, seen, told] = [make("span", { class: "verdict" }), make("p", { class: "seen" }), make("p", { class: "told", role: "alert" })];
  const send = async (method, body) => {
    told.textContent = "";
    try {
      await ask(path, { method, body });
      await update();
    } catch (error) {
      told.textContent = error.message;
    }
  };
  const marks = make("div", { class: "marks", role: "group", "aria-label": `What a person saw of ${client}` });
  // What becomes of calls of tools nobody sees.
  if (!Object.keys(environment).length) {
    marks.append("I saw:", ...MARKS.map(([word, label]) =>
      make("button", { type: "button", click: () => send("POST", JSON.stringify({ saw: word })) }, label)));
  }
  const area = make("textarea", { "aria-label": `The account of ${client}`, placeholder: '{"text": "…", "finish_reason": "stop", "error": null}', spellcheck: "false" });
  const paste = make("details", {}, make("summary", {}, "Paste an account"), area,
    make("div", { class: "marks" }, make("button", { type: "button", click: () => send("POST", area.value) }, "Judge it")));
  const log = make("div");
  const evidence = make("details", { toggle: () => showEvidence(evidence, log, client, slug) }, make("summary", {}, "Evidence"), log);
  const again = make("button", { type: "button", click: () => send("DELETE") }, "Begin again");
  const block = make("div", { class: "of-client" }, make("h3", {}, client, " ", verdict), seen, marks, paste, evidence,
    make("div", { class: "marks" }, again), told);
  return { block, verdict, seen, evidence, log, again, last: "" };
};

const showEvidence = async (details, log, client, slug) => {
  if (!details.open) return;
  try {
    const verdicts = await ask(`/verdicts?client=${client}`);
    const found = verdicts.cases.find((item) => item.slug === slug);
    log.replaceChildren(...found.evidence.map(exchange));
    if (!found.evidence.length) log.replaceChildren(make("p", { class: "faint" }, "There is none yet."));
  } catch (error) {
    log.replaceChildren(make("p", { class: "faint" }, error.message));
  }
};

const exchange = (told) => {
  const arrows = { sent: "→ to the client", received: "← from the client", event: "•" };
  const lines = told.wire.map((entry) => make("tr", { class: entry.direction },
    make("td", { class: "number" }, entry.at_ms.toFixed(1)), make("td", {}, arrows[entry.direction]),
    make("td", { class: "text" }, entry.text.replaceAll("\\n", "\\n\n").trimEnd())));
  const head = make("tr", {}, ...["ms", "direction", "what"].map((word) => make("th", { scope: "col" }, word)));
  return make("div", {}, make("h4", {}, told.title), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": told.title },
    make("table", { class: "wire" }, make("thead", {}, head), make("tbody", {}, ...lines))));
};

/** The client is the one of this number. */
const showCell = (row, column, number) => {
  const { client } = column;
  let cell = row.cells.get(client);
  if (!cell) {
    cell = make("td", { class: "cell", "data-client": client }, make("span", { class: "verdict" }));
    row.cells.set(client, cell);
    row.details.set(client, addBlock(row, client));
  }
  // Behind the case and its base URL.
  place(row.row, cell, 2 + number);
  const { verdict, word, seen } = standing(column, row.item.slug);
  cell.dataset.verdict = verdict;
  cell.firstChild.textContent = word;
  const block = row.details.get(client);
  place(row.blocks, block.block, number);
  block.block.dataset.verdict = verdict;
  block.verdict.textContent = word;
  block.seen.textContent = seen;
  block.again.disabled = verdict === "";
  const now = `${word} ${seen}`;
  if (block.last !== now) showEvidence(block.evidence, block.log, client, row.item.slug);
  block.last = now;
};

/** Shows these clients, and the one whose name is in the field, which may not have come yet. */
const show = (known) => {
  columns = known;
  const shown = known.some((column) => column.client === chosen()) || (known.length && chosen() === UNNAMED)
    ? known : [...known, { client: chosen(), reported: new Set() }];
  const names = shown.map((column) => column.client);
  byId("cases").style.setProperty("--clients", names.length);
  for (const table of document.querySelectorAll("#cases thead tr")) {
    for (const old of table.querySelectorAll(".column")) old.remove();
    table.append(...names.map((name) => make("th", { scope: "col", class: "column", title: name }, name)));
  }
  for (const row of rows.values()) {
    for (const [name, cell] of row.cells) {
      if (names.includes(name)) continue;
      cell.remove();
      row.details.get(name).block.remove();
      row.cells.delete(name);
      row.details.delete(name);
    }
    shown.forEach((column, number) => showCell(row, column, number));
    row.cell.colSpan = 2 + shown.length;
  }
  byId("clients").replaceChildren(...(known.length ? known.map(clientLine) : [make("p", { class: "faint" }, "No client has asked yet.")]));
  const all = known.length ? [make("a", { href: "/report/matrix" }, "matrix"), ", ", make("a", { href: "/report/junit" }, "junit")] : [];
  byId("together").replaceChildren(...(all.length ? ["Of all clients together: ", ...all] : []));
};

const clientLine = (column) => make("div", { class: "client" },
  make("strong", {}, column.client),
  make("span", {}, `${column.reported.size} of ${rows.size} reported: ${column.conclusion}`),
  make("span", { class: "links" }, ...DOWNLOADS.map((format) =>
    make("a", { href: `/report/${format}?client=${column.client}`, "aria-label": `${format} report of ${column.client}` }, format)),
  make("button", {
    type: "button",
    "aria-label": `Forget ${column.client}`,
    click: async () => {
      await ask(`/verdicts?client=${column.client}`, { method: "DELETE" }).catch(() => null);
      await update();
    },
  }, "Forget")));

const update = async () => {
  const state = byId("state");
  try {
    const answer = await fetch("/verdicts", { cache: "no-cache" });
    const told = await answer.json();
    state.className = "faint";
    state.textContent = `${rows.size} cases; the page updates itself.`;
    if (answer.headers.get("etag") === version) return;
    version = answer.headers.get("etag");
    show(told.clients.map((one) => ({
      client: one.client,
      conclusion: one.conclusion,
      waiting: one.waiting,
      reported: new Set(one.reported),
      cases: new Map(one.verdicts.cases.map((item) => [item.slug, item])),
    })));
  } catch {
    state.className = "gone";
    state.textContent = "The examiner cannot be reached any more; what stands here may be old.";
  }
};

const poll = async () => {
  if (!document.hidden) await update();
  setTimeout(poll, EVERY_MS);
};

const begin = async () => {
  addCatalogue(await ask("/cases"));
  byId("client").value = new URLSearchParams(location.search).get("client") ?? "";
  byId("client").addEventListener("input", () => {
    showAddresses();
    show(columns);
  });
  showAddresses();
  await poll();
};
begin().catch((error) => { byId("state").textContent = error.message; });
