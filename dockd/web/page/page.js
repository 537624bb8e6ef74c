// The kiosk page: shows what the dock says over /events. Everything that comes from a camera is written with textContent only.
import { settle } from "./room.js";
import settings from "./settings.js";

const { language, layout, words } = settings;
const STALE_AFTER_MS = 12000;
const DIALOG_CLOSES_MS = 60000;
const LAMPS = { "take it": "take", "leave it": "leave", "get help": "help" };
const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
const find = (selector, within = document) => within.querySelector(selector);
const bays = find("#bays");
const tiles = new Map();
let header = null;
let notices = [];
let heard = 0;
let said = new Map();
let opened = null;
let settled = "";
const fitted = new WeakMap();

/** The words for a key, with {names} filled in; a count chooses between .one and .other. */
function say(key, values = {}) {
  const text = words[key] ?? words[`${key}.${values.count === undefined ? "" : plural.select(values.count) === "one" ? "one" : "other"}`];
  if (text === undefined) return "";
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let power = 0;
  while (bytes >= 999.5 && power < units.length - 1) [bytes, power] = [bytes / 1000, power + 1];
  const unit = ["B", "kB", "MB", "GB", "TB"][power];
  return `${number.format(bytes)} ${unit}`;
}

function wait(left) {
  return left ? say(`left.${left.unit}`, left.unit === "soon" ? {} : { count: left.count }) : "";
}

/** Write only what changed: nothing is drawn twice, and no reader loses its place. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

function shape(name) {
  return find(`#shape-${name}`).content.firstElementChild.cloneNode(true);
}

function stale() {
  return document.body.dataset.link !== "live";
}

/** What a tile says: its lamp, why, what next. A page that hears nothing knows nothing, and never says: take it. */
function told(tile) {
  const notice = tile.lamp ? null : notices.find((each) => each.bay === tile.bay);
  if (stale()) return { lamp: "unknown", why: "", step: "" };
  if (tile.lamp) {
    const lamp = LAMPS[tile.lamp];
    const known = `step.${tile.why}` in words ? tile.why : "other";
    return { lamp, why: say(`why.${known}`, { count: tile.files, wanted: tile.wanted_percent, officer: tile.officer, until: tile.until }), step: say(`step.${known}`) };
  }
  if (notice) {
    const text = noticed(notice);
    return { lamp: notice.kind === "safe" ? "empty" : notice.kind === "help" ? "help" : "back", why: text.what, step: text.step, notice };
  }
  return { lamp: "empty", why: "", step: say("step.empty") };
}

function noticed(notice) {
  const who = notice.officer ? `${notice.officer} · ${notice.camera}` : notice.camera;
  const values = { who, count: notice.files, size: size(notice.bytes) };
  return { what: say(`notice.${notice.kind}`, values), step: say(`notice.${notice.kind}.step`) };
}

function cause(tile, name, state) {
  const done = name === "copied" ? tile.copied : tile.archived;
  return say(`cause.${name}.${state}`, { done, total: tile.total });
}

function place(bay) {
  const node = find("#tile").content.firstElementChild.cloneNode(true);
  find(".open", node).addEventListener("click", () => open(bay));
  find(".tile", node).dataset.bay = bay;
  find("progress", node).max = 1000;
  return node;
}

function paint(bay) {
  const { node, data: tile } = tiles.get(bay);
  const { lamp, why, step, notice } = told(tile);
  const box = find(".tile", node);
  if (box.dataset.lamp !== lamp) {
    box.dataset.lamp = lamp;
    const drawing = lamp === "empty" ? [] : [shape(lamp)];
    find(".shapes", node).replaceChildren(...drawing);
    write(find(".word", node), say(`lamp.${lamp}`));
  }
  write(find(".bay-id", node), bay);
  write(find(".who", node), (tile.camera ? tile.officer : notice?.officer) ?? "");
  fit(find(".who", node));
  const battery = say(`battery.${tile.battery}`, { percent: tile.battery_percent });
  write(find(".camera", node), tile.camera ? `${tile.camera} · ${battery}` : "");
  write(find(".what", node), why);
  write(find(".step", node), step);
  const bar = find(".bar", node);
  show(bar, tile.stage !== null && !stale());
  if (tile.stage) {
    const progress = find("progress", bar);
    progress.value = tile.permille;
    progress.setAttribute("aria-label", say(`bar.${tile.stage}`, { percent: Math.floor(tile.permille / 10) }));
    write(find(".left", bar), wait(tile.left));
    write(find(".short", bar), tile.left ? say(`short.${tile.left.unit}`, { count: tile.left.count }) : "");
  }
  show(find(".causes", node), Boolean(tile.causes) && !stale());
  ["copied", "charged", "archived"].forEach((name, index) => {
    const item = find(`[data-cause=${name}]`, node);
    const state = tile.causes?.[index] ?? "unknown";
    if (item.dataset.state !== state) item.dataset.state = state;
    write(find("span", item), cause(tile, name, state));
  });
  percent(find("[data-cause=charged] i", node), tile);
  const aside = notice ? say(`aside.${notice.kind}`) : why;
  tiles.get(bay).told = { lamp, why: aside, step, key: [bay, lamp, why, step, bar.hidden, tile.officer, tile.causes].join() };
  announce(bay, lamp, why, step);
  if (opened === bay) detail(tile, notice);
}

/** A name that does not fit between its own words is broken anywhere, rather than cut. */
function fit(who) {
  const now = `${who.textContent} ${who.clientWidth}`;
  if (fitted.get(who) === now) return;
  who.classList.remove("tight");
  who.classList.toggle("tight", who.scrollHeight > who.clientHeight + 2);
  fitted.set(who, now);
}

/** Anew only where something is longer or shorter than it was: most news are of progress. */
function roomy() {
  const around = [innerWidth, innerHeight, find("header").offsetHeight, find("#notices").textContent, stale(), [...tiles.keys()]].join("|");
  const changed = around === settled ? new Map([...tiles].filter(([, { told, fits }]) => told.key !== fits)) : tiles;
  settled = around;
  for (const tile of changed.values()) tile.fits = tile.told.key;
  if (changed.size) settle(tiles, find("#asides"), say, changed);
}

/** How full the battery is; a small tile has room for it only there. */
function percent(mark, tile) {
  if (tile.battery_percent === null || tile.battery_percent === undefined) delete mark.dataset.percent;
  else mark.dataset.percent = `${tile.battery_percent}%`;
}

/** Tell a screen reader when a lamp changes, and only then. */
function announce(bay, lamp, why, step) {
  const before = said.get(bay);
  said.set(bay, lamp);
  if (before === undefined || before === lamp || lamp === "unknown" || before === "unknown") return;
  const line = document.createElement("span");
  line.textContent = `${say("news.bay", { bay, lamp: say(`lamp.${lamp}`), why, step })} `;
  const news = find("#news");
  news.append(line);
  while (news.childElementCount > 4) news.firstElementChild.remove();
}

function arrange() {
  const ids = [...tiles.keys()];
  const rows = layout ?? rowsFor(ids);
  const columns = Math.max(...rows.map((row) => row.length), 1);
  bays.style.setProperty("--columns", columns);
  document.body.style.setProperty("--rows", rows.length);
  const nodes = [];
  rows.forEach((row, down) => row.forEach((bay, right) => {
    const each = tiles.get(bay);
    if (!each) return;
    each.node.style.gridArea = `${down + 1} / ${right + 1}`;
    nodes.push(each.node);
  }));
  if (nodes.length !== bays.childElementCount || nodes.some((node, index) => bays.children[index] !== node)) bays.replaceChildren(...nodes);
}

/** As many columns as make the tiles largest: a lamp needs width for its word more than height. */
function rowsFor(ids) {
  const box = bays.getBoundingClientRect();
  let best = [1, 0];
  for (let columns = 1; columns <= ids.length; columns += 1) {
    const rows = Math.ceil(ids.length / columns);
    const room = Math.min(box.width / columns, 1.15 * (box.height / rows)) - (rows * columns - ids.length) * 0.5;
    if (room > best[1]) best = [columns, room];
  }
  const rows = [];
  for (let at = 0; at < ids.length; at += best[0]) rows.push(ids.slice(at, at + best[0]));
  return rows;
}

function top() {
  write(find("#dock"), `${header.dock} · ${header.site}`);
  write(find("#time"), header.time);
  document.documentElement.dataset.night = header.night ? "yes" : "no";
  fact("archive", say(`archive.${header.archive}`, { time: header.away_since }), header.archive);
  const queued = header.queue_files ? say("queue.files", { count: header.queue_files, size: size(header.queue_bytes) }) : say("queue.empty");
  const drained = header.left ? say(`short.${header.left.unit}`, { count: header.left.count }) : "";
  fact("queue", drained ? `${queued}, ${drained}` : queued, header.queue_files ? "busy" : "answers");
  fact("space", say(header.full ? "space.full" : "space.free", { size: size(header.free_bytes) }), header.full ? "away" : "answers");
  show(find("#critical"), header.critical > 0);
  if (header.critical) fact("critical", critical(), "away");
  show(find("#site"), header.site_file !== "");
  if (header.site_file) fact("site", say(`site.${header.site_file}`), "away");
}

function critical() {
  const values = { count: header.critical, time: header.critical_by };
  if (header.critical_by === "") return say("critical.first", values);
  return header.critical_late ? say("critical.late", values) : say("critical.due", values);
}

function fact(name, text, state) {
  const node = find(`#${name}`);
  if (node.dataset.state !== state) node.dataset.state = state;
  write(find("dd", node), text);
}

/** Cameras that are missed stand on their empty bay; where another camera is in it by now, and to be sure, below. */
function strip() {
  const listed = notices.filter((each) => tiles.get(each.bay)?.data.lamp || notices.find((other) => other.bay === each.bay) !== each);
  const section = find("#notices");
  show(section, listed.length > 0 && !stale());
  find("ul", section).replaceChildren(...listed.map((each) => {
    const item = document.createElement("li");
    const text = noticed(each);
    item.textContent = `${text.what} ${text.step} (${say("notice.where", each)})`;
    return item;
  }));
}

function detail(tile, notice) {
  const { lamp, why, step } = told(tile);
  write(find("#more-title"), say("bay.name", { bay: tile.bay }));
  find("#more").dataset.lamp = lamp;
  const word = document.createElement("p");
  word.className = "word";
  word.textContent = say(`lamp.${lamp}`);
  find("#more-lamp").replaceChildren(...(lamp === "empty" ? [] : [shape(lamp)]), word);
  const lines = [why, step];
  if (!stale()) {
    if (notice) lines.push(say("notice.where", notice));
    if (tile.camera) lines.push(`${tile.officer ?? say("bay.no-officer")} · ${say("camera.name", tile)}`);
    if (tile.camera) lines.push(say(`battery.${tile.battery_old ? "when" : "long"}.${tile.battery}`, { percent: tile.battery_percent }));
    if (tile.causes) lines.push(["copied", "charged", "archived"].map((name, index) => cause(tile, name, tile.causes[index])).join(" · "));
    if (tile.stage) lines.push([say(`bar.${tile.stage}`, { percent: Math.floor(tile.permille / 10) }), wait(tile.left)].filter(Boolean).join(" · "));
    if (tile.ready) lines.push(say(tile.clears ? "ready.clear" : "ready.take", { left: wait(tile.ready) }));
    if (tile.troubles.length) lines.push(`${say("detail.files")}:`);
    tile.troubles.forEach((each) => lines.push({ lang: "en", text: `${each.path}: ${each.reason}` }));
    if (tile.more_troubles) lines.push(say("detail.more", { count: tile.more_troubles }));
    if (tile.detail) lines.push({ lang: "en", text: say("detail.log", tile) });
  }
  find("#more-body").replaceChildren(...lines.filter((line) => line && line.text !== "").map((line) => {
    const node = document.createElement("p");
    node.textContent = line.text ?? line;
    if (line.lang && line.lang !== language) node.lang = line.lang;
    return node;
  }));
}

let closing = 0;
function open(bay) {
  opened = bay;
  paint(bay);
  find("#more").showModal();
  clearTimeout(closing);
  closing = setTimeout(() => find("#more").close(), DIALOG_CLOSES_MS);
}
find("#close").addEventListener("click", () => find("#more").close());
find("#more").addEventListener("close", () => { opened = null; });
find("#more").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });

/** Arrows go from bay to bay as they lie on the dock. */
bays.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const from = event.target.closest(".place")?.getBoundingClientRect();
  if (!step || !from) return;
  event.preventDefault();
  const there = [...bays.children].map((node) => [node, node.getBoundingClientRect()]).filter(([, box]) => (
    step[0] ? Math.sign(box.top - from.top) === step[0] && Math.abs(box.left - from.left) < from.width / 2
      : Math.sign(box.left - from.left) === step[1] && Math.abs(box.top - from.top) < from.height / 2));
  there.sort(([, a], [, b]) => Math.hypot(a.left - from.left, a.top - from.top) - Math.hypot(b.left - from.left, b.top - from.top));
  if (there.length) find(".open", there[0][0]).focus();
});

function update(change) {
  if (change.page !== document.documentElement.dataset.version) {
    location.reload();
    return;
  }
  live();
  if (change.full) {
    const known = new Set(change.tiles.map((tile) => tile.bay));
    for (const bay of tiles.keys()) if (!known.has(bay)) tiles.delete(bay);
  }
  let fresh = change.full;
  for (const tile of change.tiles ?? []) {
    if (!tiles.has(tile.bay)) tiles.set(tile.bay, { node: place(tile.bay) });
    tiles.get(tile.bay).data = tile;
  }
  if (change.header) {
    header = change.header;
    top();
  }
  if (change.notices) {
    notices = change.notices;
    fresh = true;
  }
  if (change.full) arrange();
  if (fresh) for (const bay of tiles.keys()) paint(bay);
  else for (const tile of change.tiles ?? []) paint(tile.bay);
  strip();
  show(find("#wait"), false);
  roomy();
}

/** Something was heard from the dock. */
function live() {
  heard = performance.now();
  const before = document.body.dataset.link;
  if (before === "live") return;
  document.body.dataset.link = "live";
  show(find("#stale"), false);
  for (const bay of tiles.keys()) paint(bay);
  if (header) strip();
  roomy();
  if (before === "lost") write(find("#news"), say("news.fresh"));
}

function lost() {
  if (document.body.dataset.link === "lost") return;
  document.body.dataset.link = "lost";
  write(find("#stale-words"), header ? say("stale.words", { time: header.time }) : say("stale.never"));
  show(find("#stale"), true);
  write(find("#news"), "");
  show(find("#wait"), false);
  for (const bay of tiles.keys()) paint(bay);
  strip();
  roomy();
}

/** The longest word decides how large all of them are. */
function measure() {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `800 100px ${getComputedStyle(document.documentElement).fontFamily}`;
  const widths = ["take", "leave", "help", "back", "empty", "unknown"].map((name) => pen.measureText(say(`lamp.${name}`)).width);
  document.documentElement.style.setProperty("--word", Math.max(...widths) / 100);
}

let events = null;
function connect() {
  events?.close();
  events = new EventSource("/events");
  events.addEventListener("screen", (event) => update(JSON.parse(event.data)));
  events.addEventListener("beat", live);
  events.addEventListener("error", () => {
    // The browser connects again by itself, but not after an answer that was no stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

setInterval(() => {
  if (performance.now() - heard > STALE_AFTER_MS) lost();
}, 1000);
measure();
addEventListener("resize", () => {
  if (!layout && tiles.size) arrange();
  for (const { node } of tiles.values()) fit(find(".who", node));
  roomy();
});
connect();
