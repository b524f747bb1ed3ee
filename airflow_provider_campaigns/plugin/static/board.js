// The health board: the newest verdict on every campaign that a gate, a health report or a watcher has seen.
import { AIRFLOW, ApiError, failure, age, get, getAll, getXcom, h, inParallel, link, moment, notice, taskUrl } from "./airflow.js";

const KEY = "campaigns_verdict";
// How often to read again; less often where reading takes long, so that one page is a small load for Airflow.
const REFRESH_SECONDS = 30;
const LOAD = 0.05;
const STRIP = 12;
const SHOWN_AT_FIRST = 100;
// Lists of XComs, of which each page has 100, and the values that are read of them.
const MAX_PAGES = 50;
const MAX_VALUES = 3000;
const MAX_EVENT_PAGES = 5;
const OLD_AFTER = 25 * 3600 * 1000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// What a person reads, in the order of the board.
const STATES = {
  closed: { label: "Needs a person", level: 3 },
  wait: { label: "Waits", level: 2 },
  open: { label: "Healthy", level: 1 },
  finished: { label: "Finished", level: 0 },
  unknown: { label: "Not known", level: 2 },
};
const ORDER = ["closed", "unknown", "wait", "open", "finished"];

const element = (id) => document.getElementById(id);
const content = element("content");

// -- What Airflow has

// The verdicts that were read, by the XCom: one that was read does not change.
const values = new Map();
// How many campaigns did not fit into the newest reports.
let leftOut = 0;
let facts = { advice: {}, instantly: null };

function verdictsIn(value, entry) {
  if (value === null || typeof value !== "object" || value.v !== 1) return [];
  return Object.entries(value.campaigns ?? {}).map(([id, row]) => {
    const [code, disposition, since, updated, name, message] = Array.isArray(row) ? row : [];
    return {
      id, code, disposition, name, message,
      at: value.checked_at * 1000,
      since: since == null ? null : since * 1000,
      updated: updated == null ? null : updated * 1000,
      isSubsequence: value.kind === "subsequence",
      task: entry,
    };
  });
}

const taskOf = (entry) => JSON.stringify([entry.dag_id, entry.task_id, entry.map_index]);

// Returns the XComs, the newest of each task first.
function newestFirst(entries) {
  const tasks = new Map();
  const sorted = entries.toSorted((one, other) => (one.timestamp < other.timestamp ? 1 : -1));
  for (const entry of sorted) {
    const task = taskOf(entry);
    const rank = tasks.get(task) ?? 0;
    tasks.set(task, rank + 1);
    entry.rank = rank;
  }
  return sorted.sort((one, other) => one.rank - other.rank);
}

async function readTasks(days, onProgress) {
  const after = new Date(Date.now() - days * 86400 * 1000).toISOString();
  const path = ["dags", "~", "dagRuns", "~", "taskInstances", "~", "xcomEntries"];
  // Airflow 3.1 ignores the order. The newest are found below in any case.
  const parameters = { xcom_key: KEY, run_after_gte: after, order_by: "-timestamp" };
  const { entries, isComplete } = await getAll(path, "xcom_entries", parameters, MAX_PAGES);
  const wanted = newestFirst(entries).map(({ dag_id, run_id, task_id, map_index, timestamp, rank }) => {
    const entry = { dag_id, run_id, task_id, map_index, timestamp };
    return { entry, rank, key: JSON.stringify(entry) };
  });
  const known = new Set(wanted.map(({ key }) => key));
  for (const key of values.keys()) if (!known.has(key)) values.delete(key);
  const first = wanted.filter(({ rank }) => rank === 0);
  let read = 0;
  let all = first.length;
  const readValue = async ({ entry, key }) => {
    if (!values.has(key)) {
      try {
        const value = await getXcom(entry, KEY);
        const verdicts = verdictsIn(value, entry);
        verdicts.leftOut = Number(value?.left_out) || 0;
        values.set(key, verdicts);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 401) throw error;
        values.set(key, []); // deleted since, or not for this user
      }
    }
    onProgress(++read, all);
  };
  // The newest of each task first, so that the board is soon complete; the strips follow.
  await inParallel(first, readValue);
  leftOut = first.reduce((sum, { key }) => sum + (values.get(key)?.leftOut ?? 0), 0);
  // A report of many campaigns has the same ones in each run; a gate may have another one in each.
  const large = new Set(first.filter(({ key }) => values.get(key).length > 1).map(({ entry }) => taskOf(entry)));
  const rest = wanted.filter(({ rank, entry }) => rank > 0 && (rank < STRIP || !large.has(taskOf(entry))));
  all += Math.min(rest.length, MAX_VALUES);
  await inParallel(rest.slice(0, MAX_VALUES), readValue);
  return isComplete && rest.length <= MAX_VALUES;
}

// The verdicts of watchers; Airflow 3.3 and later.
let watched = [];

async function readWatchers() {
  const { version } = await get(["version"]);
  const [major, minor] = version.split(".").map(Number);
  if (major < 3 || (major === 3 && minor < 3)) return;
  const { entries: assets } = await getAll(["assets"], "assets", { order_by: "id" }, MAX_PAGES);
  const found = [];
  await inParallel(assets.filter((asset) => asset.watchers?.length > 0), async (asset) => {
    let store = null;
    try {
      store = await get(["assets", String(asset.id), "state-store"], { limit: 100 });
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    const position = store?.asset_state_store.find((each) => each.key === "position:InstantlyHealthChangedTrigger");
    const campaigns = position?.value?.v === 1 ? position.value.campaigns : null;
    if (campaigns === null || typeof campaigns !== "object") return;
    const { entries: events } = await getAll(["assets", "events"], "asset_events", { asset_id: asset.id, order_by: "-timestamp" }, MAX_EVENT_PAGES);
    const names = new Map();
    for (const { extra, timestamp } of events) {
      const payload = extra?.payload;
      if (!payload?.campaign_id) continue;
      if (payload.name && !names.has(payload.campaign_id)) names.set(payload.campaign_id, payload.name);
      found.push({
        id: payload.campaign_id, code: payload.code, name: payload.name, asset,
        disposition: payload.needs_person ? "closed" : Object.hasOwn(STATES, payload.to) ? payload.to : null,
        message: null, at: Date.parse(payload.at ?? timestamp), since: null, updated: null,
      });
    }
    for (const [id, row] of Object.entries(campaigns)) {
      if (!Array.isArray(row)) continue;
      const [code, disposition, since] = row;
      if (code !== null || disposition !== null) {
        found.push({ id, code, disposition, name: names.get(id), message: null, asset, at: Date.parse(position.updated_at), since: Date.parse(since), updated: null, isState: true });
      }
    }
  });
  watched = found;
}

// -- One row for each campaign

function stateOf(verdict) {
  return Object.hasOwn(STATES, verdict.disposition) ? verdict.disposition : "unknown";
}

// Returns since when the newest code has been reported in a row, and whether it may be longer.
function sinceOf(history) {
  const newest = history.at(-1);
  if (newest.since !== null && !Number.isNaN(newest.since)) return { at: newest.since, isLeast: false };
  let index = history.length - 1;
  while (index > 0 && history[index - 1].code === newest.code) index--;
  return { at: history[index].at, isLeast: index === 0 };
}

function campaigns() {
  const byId = new Map();
  for (const verdict of [...[...values.values()].flat(), ...watched]) {
    const id = String(verdict.id).toLowerCase();
    if (!byId.has(id)) byId.set(id, []);
    byId.get(id).push(verdict);
  }
  const rows = [...byId.values()].map((history) => {
    history.sort((one, other) => one.at - other.at);
    const newest = history.at(-1);
    const name = history.findLast((each) => each.name)?.name ?? null;
    // The state of a watcher repeats its last event.
    const strip = history.filter((each, index) => !each.isState || history[index - 1]?.code !== each.code).slice(-STRIP);
    const task = history.findLast((each) => each.task)?.task;
    return { ...newest, name, task, state: stateOf(newest), since: sinceOf(history), strip };
  });
  const place = (row) => ORDER.indexOf(row.state);
  return rows.sort((one, other) => place(one) - place(other) || other.since.at - one.since.at || (one.id < other.id ? -1 : 1));
}

// -- The page

let rows = [];
let isComplete = true;
let showAll = false;
let refreshedAt = null;
const drawn = new Map();

const query = element("query");
const days = element("days");

function chosen() {
  return new URLSearchParams(location.hash.slice(1)).get("show") ?? "all";
}

function remember(show = chosen()) {
  const parameters = new URLSearchParams({ show, q: query.value, days: days.value });
  history.replaceState(null, "", `#${parameters}`);
}

function matches(row, words) {
  const all = [row.id, row.name, row.code, row.task?.dag_id, row.asset?.name].filter(Boolean).join(" ").toLowerCase();
  return words.every((word) => all.includes(word));
}

function strip(row) {
  const width = STRIP * 7;
  const words = row.strip.map((each) => STATES[stateOf(each)].label.toLowerCase());
  const unknown = Array.from({ length: STRIP - row.strip.length }, (_, index) => h("rect", { class: "none", x: index * 7, y: 16, width: 5, height: 4 }));
  const bars = row.strip.map((each, index) => {
    const height = 4 + STATES[stateOf(each)].level * 5;
    const x = width - (row.strip.length - index) * 7;
    return h("rect", { class: stateOf(each), x, y: 20 - height, width: 5, height },
      h("title", {}, `${each.code ?? "no status"}, ${new Date(each.at).toLocaleString()}`));
  });
  return h("svg", { class: "strip", width, height: 20, viewBox: `0 0 ${width} 20`, role: "img", "aria-label": `Last verdicts, oldest first: ${words.join(", ")}` }, unknown, bars);
}

// Lets a long code break between its words.
function words(code) {
  return String(code).split("_").flatMap((word, index) => (index === 0 ? [word] : ["_", h("wbr"), word]));
}

function draw(row) {
  const message = row.state === "open" || row.state === "finished" ? null : (row.message ?? facts.advice[row.code]);
  const updated = row.updated ?? row.at;
  const links = [
    row.task && link(taskUrl(row.task), "Run", { "aria-label": `Run of ${row.name ?? row.id} in Airflow` }),
    row.asset && link(new URL(`assets/${row.asset.id}`, AIRFLOW).href, "Asset", { "aria-label": `Asset that watches ${row.name ?? row.id}` }),
    facts.instantly && UUID.test(row.id) && !row.isSubsequence &&
      link(`${facts.instantly}/campaign/${row.id}/analytics`, "Instantly", { "aria-label": `${row.name ?? row.id} in Instantly` }),
  ];
  const cell = (name, label, ...children) => h("td", { role: "cell", class: name, "data-label": label }, children);
  return h("tr", { role: "row", class: row.state },
    h("th", { role: "rowheader", scope: "row" },
      h("span", { class: "name wrap" }, row.name ?? (row.isSubsequence ? "Subsequence" : "Campaign without a known name")),
      h("code", { class: "id" }, row.id),
      message && h("span", { class: "message wrap" }, message)),
    cell("state", "State", h("span", { class: `chip ${row.state}` }, STATES[row.state].label), h("code", { class: "code wrap" }, words(row.code ?? "no status"))),
    cell("since", "Since", h("span", {}, row.since.isLeast ? "at least " : "", moment(row.since.at))),
    cell(Date.now() - updated > OLD_AFTER ? "age old" : "age", "Age of the data", moment(updated)),
    cell("verdicts", "Last verdicts", strip(row)),
    cell("links", "Open", links.filter(Boolean)));
}

// Draws a row only if it has changed, so that nothing moves under the pointer.
function rowOf(row) {
  const minute = Math.floor(Date.now() / 60000);
  const shown = JSON.stringify([row.state, row.code, row.name, row.message, row.since, row.at, row.updated, row.strip.map((each) => each.at), row.task, minute]);
  const before = drawn.get(row.id);
  if (before?.shown === shown) return before.line;
  const line = draw(row);
  drawn.set(row.id, { shown, line });
  return line;
}

const body = h("tbody", { role: "rowgroup" });
const more = h("p", { class: "more" });
const table = h("table", { class: "board", role: "table", "aria-label": "Campaigns" },
  h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
    ["Campaign", "State", "Since", "Age of the data", "Last verdicts", "Open"].map((each) => h("th", { role: "columnheader", scope: "col" }, each)))),
  body);

function empty() {
  return notice(`No campaign in the last ${days.selectedOptions[0].text}`, ["This board shows what tasks and watchers have seen. To fill it, run one of these:"],
    h("dl", { class: "ways" },
      h("dt", {}, h("code", {}, "InstantlyHealthReportOperator")), h("dd", {}, "checks all campaigns of a workspace in one task"),
      h("dt", {}, h("code", {}, "InstantlySendGateOperator")), h("dd", {}, "checks a campaign before it is sent"),
      h("dt", {}, h("code", {}, "instantly_health_changed")), h("dd", {}, "watches a workspace without a Dag run; Airflow 3.3 and later")),
    h("pre", { tabindex: 0 }, h("code", {}, "InstantlyHealthReportOperator(task_id=\"check_all\")")),
    h("p", { class: "quiet" }, "You see the campaigns of the Dags that you may read in Airflow."));
}

function show() {
  const counts = Object.groupBy(rows, (row) => row.state);
  const state = chosen();
  const tiles = [["all", "All", rows.length], ...ORDER.filter((each) => each !== "unknown" || counts.unknown).map((each) => [each, STATES[each].label, counts[each]?.length ?? 0])];
  const focused = document.activeElement;
  const focusedTile = focused?.dataset?.state;
  element("filters").replaceChildren(...tiles.map(([name, label, number]) =>
    h("button", { type: "button", class: `tile ${name}`, "data-state": name, "aria-pressed": String(name === state), onclick: () => { remember(name); show(); } },
      h("strong", {}, number.toLocaleString("en")), h("span", {}, label))));
  const hasRows = rows.length > 0;
  element("filters").hidden = element("search").hidden = !hasRows && refreshedAt === null;
  const terms = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = rows.filter((row) => (state === "all" || row.state === state) && matches(row, terms));
  if (!hasRows) {
    content.replaceChildren(refreshedAt === null ? h("p", { class: "quiet" }, "Loading …") : empty());
  } else {
    const part = showAll ? wanted : wanted.slice(0, SHOWN_AT_FIRST);
    body.replaceChildren(...part.map(rowOf));
    const left = wanted.length - part.length;
    more.replaceChildren(...(left > 0 ? [h("button", { type: "button", onclick: () => { showAll = true; show(); } }, `Show ${left.toLocaleString("en")} more`)] : []));
    if (table.parentNode !== content) content.replaceChildren(table, more);
  }
  const of = wanted.length === rows.length ? "" : ` of ${rows.length.toLocaleString("en")}`;
  const total = hasRows ? `${wanted.length.toLocaleString("en")}${of} campaign${rows.length === 1 ? "" : "s"}` : "";
  const status = [
    total,
    leftOut > 0 && `${leftOut.toLocaleString("en")} more did not fit into their report: give each report fewer campaign_ids`,
    !isComplete && "there are more verdicts than were read: choose a shorter time",
  ].filter(Boolean).join("; ");
  if (element("count").textContent !== status) element("count").textContent = status;
  if (focusedTile) element("filters").querySelector(`[data-state="${focusedTile}"]`)?.focus();
  else if (focused?.isConnected && focused !== document.activeElement) focused.focus();
}

function showAge() {
  element("fresh").textContent = refreshedAt === null ? "" : Date.now() - refreshedAt < 5000 ? "Updated just now" : `Updated ${age(refreshedAt)} ago`;
}

let isReading = false;
let timer;

async function refresh() {
  if (isReading) return;
  isReading = true;
  clearTimeout(timer);
  const begunAt = performance.now();
  element("refresh").disabled = rows.length === 0;
  let shownAt = performance.now();
  const progress = (read, all) => {
    // While the first values arrive, show what is there from time to time.
    if (refreshedAt !== null || (rows.length > 0 && performance.now() - shownAt < 300)) return;
    shownAt = performance.now();
    rows = campaigns();
    show();
    element("fresh").textContent = `Read ${read} of ${all} verdicts`;
  };
  try {
    if (refreshedAt === null) facts = await (await fetch(new URL("facts.json", import.meta.url))).json();
    const [tasks, watchers] = await Promise.allSettled([
      readTasks(Number(days.value), progress),
      readWatchers().then(() => progress(0, 0)),
    ]);
    // Somebody who may not read XComs may still read assets, and the other way round.
    if (tasks.status === "rejected" && (tasks.reason.status !== 403 || watchers.status === "rejected" || watched.length === 0)) throw tasks.reason;
    if (watchers.status === "rejected" && watchers.reason.status !== 403) throw watchers.reason;
    isComplete = tasks.status === "rejected" || tasks.value;
    refreshedAt = Date.now();
    rows = campaigns();
    show();
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof TypeError)) console.error(error);
    if (rows.length === 0 || error.status === 401) content.replaceChildren(failure(error));
    element("count").textContent = rows.length === 0 ? "" : "Airflow does not respond. The board shows what was read before.";
  } finally {
    isReading = false;
    timer = setTimeout(refreshIfVisible, Math.max(REFRESH_SECONDS * 1000, (performance.now() - begunAt) / LOAD));
    element("refresh").disabled = false;
    content.removeAttribute("aria-busy");
    showAge();
  }
}

function refreshIfVisible() {
  if (document.visibilityState === "visible") refresh();
}

const parameters = new URLSearchParams(location.hash.slice(1));
query.value = parameters.get("q") ?? "";
if ([...days.options].some((option) => option.value === parameters.get("days"))) days.value = parameters.get("days");
element("airflow").href = AIRFLOW.href;
element("search").addEventListener("submit", (event) => event.preventDefault());
query.addEventListener("input", () => { remember(); show(); });
days.addEventListener("change", () => { remember(); refresh(); });
element("refresh").addEventListener("click", refresh);
document.addEventListener("visibilitychange", refreshIfVisible);
setInterval(showAge, 1000);
refresh();
