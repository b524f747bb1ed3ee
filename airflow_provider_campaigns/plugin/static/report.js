// The cleaning report of one task: what Campaign Cleaner found, and what it changed.
import { ApiError, age, failure, get, getXcom, h, inParallel, link, notice, taskUrl } from "./airflow.js";

const MAX_SHOWN = 100;
const MAX_TEXT = 500;
// Longer HTML is not put into a frame. Tasks keep less; only an XCom of another origin can be longer.
const MAX_HTML = 1024 * 1024;
const MAX_PARTNERS = 20;
const LINK_KEY = "_link_CleaningReportLink";
const PERCENT = (value) => `${round(value * 100)} %`;

// Threshold, label, the value in an analysis, its unit.
const FIGURES = [
  ["max_broken_links", "Broken links", (of) => largest(count(of.broken_links), broken(of).length || null), round],
  ["max_blacklisted_links", "Links to blacklisted domains", (of) => largest(count(of.blacklisted_links_found), count(of.blacklisted_links)), round],
  ["max_oversized_images", "Images that are too large", (of) => count(of.os_image_list), round],
  ["max_spam_keyword_ratio", "Spam words, share of all words", (of) => count(of.spam_keyword_ratio), PERCENT],
  ["max_capitals_ratio", "Words in capitals, share of all words", (of) => count(of.all_capitalized_word_ratio), PERCENT],
  ["min_text_image_ratio", "Text in relation to images", (of) => count(of.text_image_ratio), round],
];
const COUNTS = [
  ["bytes", "Size in bytes"],
  ["words", "Words"],
  ["links", "Links"],
  ["images", "Images"],
  ["merge_tags", "Merge tags"],
];
const FACTS = [
  ["total_word_count", "words"],
  ["links_scanned", "links"],
  ["domains_scanned", "domains"],
  ["image_count", "images"],
];

const page = document.getElementById("page");

function show(...content) {
  page.replaceChildren(...content.flat(Infinity).filter(Boolean));
  page.removeAttribute("aria-busy");
}

// -- Values. Only some fields of an analysis are documented, so each may be missing or something else.

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function count(value) {
  if (Array.isArray(value)) return value.length;
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function largest(...values) {
  const known = values.filter((value) => value !== null);
  return known.length ? Math.max(...known) : null;
}

function round(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}

function text(value) {
  if (value == null || value === "") return "";
  const whole = typeof value === "string" ? value : JSON.stringify(value);
  return whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)} …` : whole;
}

function first(entry, ...names) {
  if (!isObject(entry)) return entry;
  return names.map((name) => entry[name]).find((value) => value != null && value !== "");
}

function broken(analysis) {
  return list(analysis.all_link_list).filter((each) => isObject(each) && each.link_is_broken === true);
}

// -- What Airflow has

async function keysOf(task) {
  const path = ["dags", task.dag_id, "dagRuns", task.run_id, "taskInstances", task.task_id, "xcomEntries"];
  const { xcom_entries: entries } = await get(path, { map_index: task.map_index, limit: 100 });
  return new Set(entries.map((entry) => entry.key));
}

// Reads the XComs of a task that are there.
async function read(task, ...keys) {
  const found = {};
  const existing = await keysOf(task);
  await inParallel(keys.filter((key) => existing.has(key)), async (key) => {
    found[key] = await getXcom(task, key);
  });
  return found;
}

// Returns the other get and quality gate tasks of a run, those with the same map index first.
async function partners(task) {
  const path = ["dags", task.dag_id, "dagRuns", task.run_id, "taskInstances", "~", "xcomEntries"];
  const { xcom_entries: entries } = await get(path, { xcom_key: LINK_KEY, limit: 100 });
  const others = entries.filter((each) => each.task_id !== task.task_id);
  others.sort((one, other) => (other.map_index === task.map_index) - (one.map_index === task.map_index));
  return others.slice(0, MAX_PARTNERS).map(({ task_id, map_index }) => ({ ...task, task_id, map_index }));
}

// Adds what another task of the run knows of the same campaign: a gate has the thresholds, a get task the analysis.
async function complete(task, found) {
  const wanted = found.quality_checks ? ["return_value", "html_preview"] : ["quality_checks"];
  const id = campaignId(found);
  const others = [];
  for (const other of await partners(task)) {
    const theirs = await read(other, ...wanted);
    if (!isObject(theirs[wanted[0]]) || "breaches" in theirs[wanted[0]]) continue;
    if (id && campaignId(theirs) === id) return { ...found, ...theirs };
    others.push(theirs);
  }
  return others.length === 1 && !(id && campaignId(others[0])) ? { ...found, ...others[0] } : found;
}

function campaignId({ quality_checks: checks, return_value: result }) {
  return checks?.campaign_id ?? (isObject(result) ? result.campaign_id : null) ?? null;
}

// -- Parts of the page

function section(title, ...content) {
  const id = title.toLowerCase().replaceAll(/\W+/g, "-");
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), content);
}

function bar(value, limit, isBad, label) {
  const end = Math.max(value, limit ?? 0) * 1.25 || 1;
  const at = (number) => (number / end) * 100;
  return h(
    "svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label },
    h("rect", { class: "track", width: 100, height: 10 }),
    h("rect", { class: isBad ? "bad" : "good", width: at(value), height: 10 }),
    limit != null && h("line", { class: "limit", x1: at(limit), x2: at(limit), y1: 0, y2: 10 }),
  );
}

function figures(analysis, checks) {
  const rows = FIGURES.map(([threshold, label, valueOf, unit]) => {
    const check = checks.find((each) => isObject(each) && each.threshold === threshold);
    const value = check ? count(check.value) : valueOf(analysis);
    let limit = check ? count(check.limit) : null;
    let whose = "";
    if (limit === null && threshold === "max_capitals_ratio") {
      limit = count(analysis.all_capitalized_word_max_acceptable_ratio);
      whose = "Campaign Cleaner: ";
    }
    if (value === null && !check) return null;
    const isMin = threshold.startsWith("min_");
    const isBad = check ? check.is_broken === true : limit !== null && value > limit;
    const shown = value === null ? "no value" : unit(value);
    const rule = limit === null ? "no threshold" : `${whose}${isMin ? "at least" : "at most"} ${unit(limit)}`;
    return h(
      "div",
      { class: "figure" },
      h("dt", {}, label),
      h("dd", { class: isBad ? "value bad" : "value" }, shown),
      h("dd", { class: "plot" }, value !== null && bar(value, limit, isBad, `${label}: ${shown}, ${rule}`)),
      h("dd", { class: "rule" }, limit !== null && mark(!isBad, !isBad ? "ok" : value === null ? "missing" : isMin ? "too low" : "too high"), ` ${rule}`),
    );
  }).filter(Boolean);
  return rows.length > 0 && section("Values", h("dl", { class: "figures" }, rows));
}

function mark(isGood, words) {
  return h("span", { class: `mark ${isGood ? "good" : "bad"}` }, words);
}

function entries(values, row, none) {
  if (values.length === 0) return h("p", { class: "quiet" }, none);
  const more = values.length - MAX_SHOWN;
  return [h("ul", { class: "entries" }, values.slice(0, MAX_SHOWN).map(row)), more > 0 && h("p", { class: "quiet" }, `and ${round(more)} more`)];
}

function links(title, values, none) {
  const row = (each) => {
    const status = isObject(each) ? text(each.link_status) : "";
    return h("li", {}, h("code", { class: "wrap" }, text(first(each, "link_url", "url", "domain", "link"))), status && h("span", { class: "number" }, status));
  };
  return section(title, entries(values, row, none));
}

function spamWords(analysis) {
  if (!Array.isArray(analysis.spam_keyword_list)) return null;
  const words = analysis.spam_keyword_list.map((each) => [text(first(each, "keyword", "word", "spam_keyword", "name")), count(first(each, "count"))]);
  words.sort((one, other) => (other[1] ?? 0) - (one[1] ?? 0));
  const row = ([word, times]) => h("li", {}, h("span", { class: "wrap" }, word), times !== null && typeof times === "number" && h("span", { class: "number" }, `${round(times)} ×`));
  return section("Spam words", entries(words, row, "None found."));
}

const SIZES = [
  [["image_size", "size", "bytes", "file_size"], (value) => `${round(value / 1024)} KiB`],
  [["image_width", "width"], (value) => `${round(value)} px wide`],
];

function images(analysis) {
  if (!Array.isArray(analysis.image_list)) return null;
  const urlOf = (each) => text(first(each, "image_url", "url", "src"));
  const large = new Set(list(analysis.os_image_list).map(urlOf));
  const [names, unit] = SIZES.find(([fields]) => analysis.image_list.some((each) => isObject(each) && count(first(each, ...fields)) !== null)) ?? SIZES[1];
  const found = analysis.image_list.map((each) => ({ url: urlOf(each), size: isObject(each) ? count(first(each, ...names)) : null, alt: isObject(each) ? text(each.image_alt) : "" }));
  found.sort((one, other) => (other.size ?? -1) - (one.size ?? -1));
  const end = found[0]?.size || 1;
  const row = ({ url, size, alt }) =>
    h(
      "li",
      { class: "image" },
      h("code", { class: "wrap" }, url),
      h("span", { class: "number" }, size === null ? "size not known" : unit(size), " ", large.has(url) && mark(false, "too large")),
      size !== null && h("svg", { class: "bar thin", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("rect", { class: large.has(url) ? "bad" : "good", width: (size / end) * 100, height: 10 })),
      !alt && h("span", { class: "quiet" }, "no alternative text"),
    );
  return section("Images by size", entries(found, row, "The campaign has no images."));
}

function summary(analysis) {
  const checks = list(analysis.campaign_summary).filter(isObject);
  if (checks.length === 0) return null;
  const row = (each) =>
    h("li", {}, h("span", { class: "wrap" }, text(first(each, "check", "name", "title"))), h("span", { class: "number" }, text(each.count), " ",
      typeof each.passed === "boolean" && h("span", { class: `mark ${each.passed ? "good" : "warn"}` }, each.passed ? "passed" : "check")));
  return section("Checks of Campaign Cleaner", entries(checks, row, ""));
}

function losses(lost) {
  if (!Array.isArray(lost)) {
    return section("What cleaning lost", h("p", { class: "quiet" }, "Not compared. Give the get task original_html to find lost merge tags, links, images and text."));
  }
  const row = (each) => h("li", {}, h("span", { class: "wrap" }, text(each)));
  return section("What cleaning lost", entries(lost, row, "Nothing: all merge tags, links, images and words are still there."));
}

function changes(preview) {
  const { before, after } = preview;
  if (!isObject(after) || COUNTS.every(([name]) => count(after[name]) === null)) return null;
  const cell = (version, name) => h("td", {}, isObject(version) && count(version[name]) !== null ? round(version[name]) : "–");
  const difference = (name) => {
    const by = isObject(before) && count(before[name]) !== null ? count(after[name]) - before[name] : null;
    return h("td", {}, by === null ? "–" : by === 0 ? "same" : `${by > 0 ? "+" : "−"}${round(Math.abs(by))}`);
  };
  return section(
    "What cleaning changed",
    h("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Before and after in numbers" },
      h("table", { class: "numbers" },
        h("thead", {}, h("tr", {}, h("td"), ["Before", "After", "Change"].map((each) => h("th", { scope: "col" }, each)))),
        h("tbody", {}, COUNTS.map(([name, label]) => h("tr", {}, h("th", { scope: "row" }, label), cell(before, name), cell(after, name), difference(name)))),
      ),
    ),
  );
}

// -- Before and after

const shownFrames = new Map();

addEventListener("message", ({ origin, source }) => {
  if (origin !== location.origin) return;
  for (const [frame, html] of shownFrames) {
    if (frame.contentWindow === source) source.postMessage(html, origin);
  }
});

function version(title, value, withImages) {
  const html = isObject(value) ? value.html : value;
  if (typeof html !== "string") {
    return h("figure", {}, h("figcaption", {}, title), h("p", { class: "quiet frame" }, "Not known. Give the get task original_html."));
  }
  const frame = h("iframe", { class: "frame", title: `${title} cleaning`, src: new URL(withImages ? "frame-images/" : "frame/", import.meta.url).href });
  shownFrames.set(frame, html.slice(0, MAX_HTML));
  const isCut = (isObject(value) && value.is_cut === true) || html.length > MAX_HTML;
  return h("figure", {}, h("figcaption", {}, title, isCut && h("span", { class: "quiet" }, ` – only the beginning of ${round((value.bytes ?? html.length) / 1024)} KiB`)), frame);
}

function beforeAndAfter(before, after) {
  const frames = h("div", { class: "versions" });
  const draw = (withImages) => {
    shownFrames.clear();
    frames.replaceChildren(version("Before", before, withImages), version("After", after, withImages));
  };
  const button = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isOn));
    draw(isOn);
  } }, "Load images");
  draw(false);
  return section(
    "Before and after",
    h("p", { class: "quiet toolbar" }, button, " Images are not loaded: their servers would see that somebody looks at the mail."),
    frames,
  );
}

// Without the query of a URL, which may be a signature.
function elsewhere(result) {
  const places = [
    ["html_path", "The cleaned HTML is in"],
    ["analysis_path", "The lists of links, words and images are in"],
  ].filter(([name]) => typeof result[name] === "string");
  return places.length > 0 && section(
    "Stored elsewhere",
    h("p", { class: "quiet" }, "This page opens no files. Open them where they are:"),
    h("ul", { class: "entries" }, places.map(([name, words]) => h("li", {}, h("span", {}, words), h("code", { class: "wrap" }, text(result[name].replace(/\?.*/s, "?…")))))),
  );
}

function allValues(analysis) {
  const simple = Object.entries(analysis).filter(([name, value]) => name !== "campaign_html" && value !== null && typeof value !== "object");
  return simple.length > 0 && h("details", {}, h("summary", {}, `All values of the analysis (${simple.length})`),
    h("dl", { class: "values" }, simple.map(([name, value]) => [h("dt", {}, name), h("dd", { class: "wrap" }, text(value))])));
}

function heading(task, name, checks) {
  // The submit operator appends a marker to the name.
  const [, title, marker] = /^(.*?)( af-[0-9a-f]{12})?$/s.exec(name);
  const failing = checks.filter((each) => each.is_broken === true).length;
  const state = checks.length === 0
    ? h("p", { class: "verdict" }, "No quality gate has checked it.")
    : h("p", { class: `verdict ${failing ? "bad" : "good"}` }, failing
      ? `${failing} of ${checks.length} thresholds broken`
      : `All ${checks.length} thresholds hold`);
  return h(
    "header",
    { class: "top" },
    h("div", {},
      h("p", { class: "eyebrow" }, link(taskUrl(task), `${task.dag_id} › ${task.run_id} › ${task.task_id}${task.map_index >= 0 ? ` [${task.map_index}]` : ""}`, { target: "_self" })),
      h("h1", {}, h("span", { class: "eyebrow" }, "Cleaning report "), title, marker && h("span", { class: "quiet" }, marker)),
      state),
    h("button", { type: "button", class: "no-print", onclick: () => print() }, "Print"),
  );
}

function report(task, found) {
  const result = isObject(found.return_value) && !("breaches" in found.return_value) ? found.return_value : {};
  const checks = list(found.quality_checks?.checks).filter(isObject);
  const preview = isObject(found.html_preview) ? found.html_preview : {};
  const name = text(found.quality_checks?.campaign_name ?? result.campaign_name ?? campaignId(found)) || "Campaign";
  document.title = `Cleaning report: ${name}`;
  const after = preview.after ?? result.campaign_html;
  // A gate leaves out merge tags, and links that `ignore_links` names; it names at most 200 characters of each.
  const foundBy = (threshold, links) => {
    const check = checks.find((each) => each.threshold === threshold);
    if (!check) return links;
    const named = list(check.offending);
    const known = links.filter((each) => named.includes(String(first(each, "link_url", "url")).slice(0, 200)));
    return known.length > 0 ? known : named;
  };
  const noneOf = (threshold, value) => {
    const check = checks.find((each) => each.threshold === threshold);
    return count(check ? check.value : value) ? "Their list is not in this XCom." : "None found.";
  };
  const scanned = foundBy("max_broken_links", broken(result));
  const blacklisted = foundBy("max_blacklisted_links", list(result.blacklisted_links));
  const facts = FACTS.filter(([field]) => count(result[field]) !== null);
  return [
    heading(task, name, checks),
    facts.length > 0 && h("p", { class: "facts" }, facts.map(([field, words]) => h("span", {}, h("strong", {}, round(count(result[field]))), ` ${words}`))),
    typeof found.return_value === "string" && notice("Stored elsewhere", ["The result of the task is not in Airflow's database. Its XCom backend keeps it in ", h("code", { class: "wrap" }, text(found.return_value))]),
    figures(result, checks),
    h("div", { class: "columns" },
      (scanned.length > 0 || count(result.broken_links) !== null || checks.length > 0) && links("Broken links", scanned, noneOf("max_broken_links", result.broken_links)),
      (count(result.blacklisted_links_found) !== null || checks.length > 0) && links("Blacklisted links", blacklisted, noneOf("max_blacklisted_links", result.blacklisted_links_found)),
      spamWords(result),
      images(result),
      losses(preview.lost ?? result.damage),
      changes(preview),
      summary(result)),
    elsewhere(result),
    after != null
      ? beforeAndAfter(preview.before, after)
      : section("Before and after", h("p", { class: "quiet" }, "The HTML is not in an XCom. Set keep_preview=True on the get task to see it here before and after cleaning.")),
    allValues(result),
  ];
}

async function main() {
  const parameters = new URLSearchParams(location.search);
  const task = Object.fromEntries(["dag_id", "run_id", "task_id"].map((name) => [name, parameters.get(name) ?? ""]));
  task.map_index = Number.parseInt(parameters.get("map_index") ?? "-1", 10);
  const missing = Object.entries(task).filter(([, value]) => value === "" || Number.isNaN(value)).map(([name]) => name);
  if (missing.length > 0) {
    show(h("h1", {}, "Cleaning report"), notice("This link is not complete", [`It does not say ${missing.join(", ")}. In Airflow, open a get or quality gate task, and follow its link “Cleaning report”.`]));
    return;
  }
  try {
    const found = await read(task, "return_value", "html_preview", "quality_checks");
    if (Object.keys(found).length === 0) {
      const path = ["dags", task.dag_id, "dagRuns", task.run_id, "taskInstances", task.task_id, ...(task.map_index >= 0 ? [String(task.map_index)] : [])];
      const { state, end_date: ended } = await get(path);
      const when = ended ? `, ${age(Date.parse(ended))} ago` : "";
      show(heading(task, "No result yet", []), notice("There is nothing to show yet", [`The task is ${state ?? "not started"}${when}. Its report is here once it has a result. A task that failed before it had one says why in its log.`]));
      return;
    }
    show(report(task, await complete(task, found)));
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof TypeError)) console.error(error);
    show(h("h1", {}, "Cleaning report"), failure(error));
  }
}

main();
