// What both pages share: Airflow's own API, with the session of the user, and elements that are made without HTML.

// The address of Airflow, which may have a path: this file is at campaigns/airflow.js below it.
export const AIRFLOW = new URL("../", import.meta.url);

const NAMES = /^(?!\.{1,2}$).+$/s;

export class ApiError extends Error {
  constructor(status) {
    super(`Airflow's API returned ${status}.`);
    this.status = status;
  }
}

// Gets a resource of Airflow's public API. Each part of its path is a segment of its own.
export async function get(parts, parameters = {}) {
  if (!parts.every((part) => NAMES.test(part))) throw new ApiError(404);
  const url = new URL(`api/v2/${parts.map(encodeURIComponent).join("/")}`, AIRFLOW);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new ApiError(response.status);
  return response.json();
}

const PAGE_SIZE = 100;

// Gets the pages of a list, at most maxPages of them.
export async function getAll(parts, field, parameters, maxPages) {
  const page = (number) => get(parts, { ...parameters, limit: PAGE_SIZE, offset: number * PAGE_SIZE });
  const first = await page(0);
  // Airflow may be configured to return fewer in one page.
  const size = first[field].length || 1;
  const pages = Math.min(Math.ceil(first.total_entries / size), maxPages);
  const offsets = Array.from({ length: Math.max(pages - 1, 0) }, (_, index) => (index + 1) * size);
  const rest = [];
  await inParallel(offsets, async (offset) => {
    rest.push(...(await get(parts, { ...parameters, limit: size, offset }))[field]);
  });
  return { entries: [...first[field], ...rest], isComplete: pages * size >= first.total_entries };
}

const AT_ONCE = 8;

// Calls an asynchronous function for each item, for a few at once.
export async function inParallel(items, action) {
  const left = items[Symbol.iterator]();
  const work = async () => {
    for (const item of left) await action(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

// Gets the value of an XCom. Airflow stores JSON within JSON.
export async function getXcom({ dag_id, run_id, task_id, map_index }, key) {
  const task = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id];
  let { value } = await get([...task, "xcomEntries", key], { map_index });
  for (let times = 0; times < 2 && typeof value === "string"; times++) {
    try {
      value = JSON.parse(value);
    } catch {
      break;
    }
  }
  return value;
}

const SVG = "http://www.w3.org/2000/svg";
const SVG_NAMES = new Set(["svg", "rect", "line", "title"]);

// Makes an element. Strings become text, so no value is ever read as HTML.
export function h(name, attributes = {}, ...children) {
  const element = SVG_NAMES.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export function link(href, text, attributes = {}) {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer", ...attributes }, text);
}

// The page of a task in Airflow.
export function taskUrl({ dag_id, run_id, task_id, map_index }) {
  const parts = ["dags", dag_id, "runs", run_id, "tasks", task_id, ...(map_index >= 0 ? ["mapped", map_index] : [])];
  return new URL(parts.map(encodeURIComponent).join("/"), AIRFLOW).href;
}

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

// Returns how long ago a moment was, such as "3 hours".
export function age(milliseconds, now = Date.now()) {
  const seconds = Math.max(0, (now - milliseconds) / 1000);
  for (const [unit, length] of UNITS) {
    const count = Math.floor(seconds / length);
    if (count > 0 && (count > 1 || unit !== "day")) return `${count} ${unit}${count > 1 ? "s" : ""}`;
    if (unit === "day" && count === 1) return `${Math.floor(seconds / 3600)} hours`;
  }
  return `${Math.floor(seconds)} seconds`;
}

export function moment(milliseconds) {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return h("span", { class: "none" }, "not known");
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, age(milliseconds));
}

// Returns what to show where Airflow's API fails.
export function failure(error) {
  if (error.status === 401) {
    const signIn = new URL("api/v2/auth/login", AIRFLOW);
    signIn.searchParams.set("next", location.href);
    return notice("Sign in", ["This page reads Airflow's API with your session. ", h("a", { href: signIn.href }, "Sign in to Airflow")]);
  }
  if (error.status === 403) {
    return notice("No access", ["You may not read this in Airflow. You need to read the Dag and its XComs. Ask an administrator of Airflow."]);
  }
  if (error.status === 404) {
    return notice("Not found", ["Airflow has no such Dag, run or task. It may have been deleted, or the link is incomplete."]);
  }
  return notice("Airflow does not respond", [`${error.message} The page tries again when you reload it.`]);
}

export function notice(title, text, ...more) {
  return h("section", { class: "notice" }, h("h2", {}, title), h("p", {}, text), more);
}

// Airflow keeps the theme that the user chose here; without it, the system decides.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be blocked.
}
