// What a tile has no room for: the reason and the next step stand on it as a whole or not at all, never cut in the middle.
const LINES = 3;

/**
 * Leave on each tile what it has room for. What one that calls for somebody cannot say is said in `list`, once for all such bays.
 * Each line there takes room from the tiles, which then only say less: that ends, at the latest with nothing on any tile.
 * Where only some tiles changed, and the list is as high as it was, all others are left alone.
 */
export function settle(tiles, list, say, changed = tiles) {
  const whole = changed === tiles;
  const boxes = [...changed.values()].map(({ node }) => node.querySelector(".tile"));
  boxes.forEach((box) => delete box.dataset.terse);
  if (whole) tell(list, [], say);
  for (let high = list.offsetHeight; ;) {
    shorten(boxes);
    tell(list, apart(tiles, say), say);
    const now = list.offsetHeight;
    if (now === high) return;
    if (!whole) {
      settle(tiles, list, say);
      return;
    }
    high = now;
  }
}

/** All tiles are looked at before any is written to, so that the browser arranges them twice and not once for each. */
function shorten(boxes) {
  for (const [before, after] of [[undefined, "why"], ["why", "both"]]) {
    const full = boxes.filter((box) => {
      const body = box.querySelector(".body");
      return box.dataset.terse === before && body.scrollHeight > body.clientHeight + 1;
    });
    full.forEach((box) => { box.dataset.terse = after; });
  }
}

/** The bays that call for somebody and cannot say why, by what they would say; help before all else. */
function apart(tiles, say) {
  const groups = new Map();
  for (const lamp of ["help", "back"]) {
    for (const [bay, { node, told }] of tiles) {
      if (told.lamp !== lamp || !node.querySelector(".tile").dataset.terse) continue;
      const text = `${told.why} ${told.step}`;
      if (!groups.has(text)) groups.set(text, { lamp, text, bays: [] });
      groups.get(text).bays.push(bay);
    }
  }
  const all = [...groups.values()];
  if (all.length <= LINES) return all;
  const rest = all.slice(LINES - 1);
  return [...all.slice(0, LINES - 1), { lamp: rest[0].lamp, text: say("aside.touch"), bays: rest.flatMap((group) => group.bays) }];
}

function tell(list, groups, say) {
  const told = JSON.stringify(groups);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.hidden = groups.length === 0;
  list.replaceChildren(...groups.map((group) => {
    const line = document.createElement("li");
    const where = document.createElement("b");
    line.dataset.lamp = group.lamp;
    where.textContent = say("aside.bays", { count: group.bays.length, bays: group.bays.join(", ") });
    line.append(where, ` ${group.text}`);
    return line;
  }));
}
