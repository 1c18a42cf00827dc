// Finds data that only panics speak of: the texts of what went wrong, and the places in the source where it did. With
// the panics snipped nothing reads it, but no tool drops it: data of a linked module has no owner any more.
// Wants a module whose data is one segment an item (the linker's `--no-merge-data-segments`).

/** A constant may be an address folded with a small number, or that of an end: what is near is not called dead. */
const SLACK_BYTES = 64;
/** Of what is text nobody takes an address but the first: next to where another item begins it is not near, but a neighbour. */
const TEXT = /^[\x20-\x7e\n]{16,}\0*$/;

/** What wasm-bindgen throws about a handle that was freed or is in use. It is put into a result first, so no pass sees that only what is snipped reads it; `snip.mjs` makes sure that the module throws nothing. */
const THROWN = new Set(['recursive use of an object detected which would lead to unsafe aliasing in rust', 'null pointer passed to rust']);

/** The data of a module by items, in the order of their addresses. */
export function dataOf(module) {
  const segments = [];
  for (let i = 0; i < module.getNumDataSegments(); i += 1) {
    const { offset, data } = module.getDataSegmentInfo(module.getDataSegmentByIndex(i));
    const bytes = Buffer.from(data);
    segments.push({ start: offset, end: offset + bytes.length, bytes });
  }
  return segments.sort((a, b) => a.start - b.start);
}

/** What each function may take for an address. */
export function constantsOf(binaryen, module) {
  const constants = new Map();
  for (let i = 0; i < module.getNumFunctions(); i += 1) {
    const { name, body } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
    if (body !== 0) {
      constants.set(name, [...binaryen.emitText(body).matchAll(/(?:i32\.const |offset=)(\d+)/g)].map(([, constant]) => Number(constant)));
    }
  }
  return constants;
}

/** The segments that functions spoke of `before` and none does `after` (both are of `constantsOf`), and those that only panics read by what they are. */
export function deadData(segments, before, after) {
  // A place in the source: pointer to a path, its length, line and column. What is handed to a panic, and nothing else.
  const paths = new Set(segments.filter(({ bytes }) => /^[\w./-]+\.rs\0?$/.test(bytes.toString('latin1'))));
  const isPlace = ({ start, bytes }) => start % 4 === 0 && bytes.length === 16 && paths.has(at(segments, bytes.readUInt32LE(0)));
  const isThrown = ({ bytes }) => THROWN.has(bytes.toString('latin1').replace(/\0+$/, ''));
  const dead = new Set([...paths, ...segments.filter((segment) => isPlace(segment) || isThrown(segment))]);

  const spoken = new Set();
  const alive = new Set();
  for (const constants of after.values()) {
    mark(segments, constants, SLACK_BYTES, alive);
  }
  for (const [name, constants] of before) {
    // A snipped function is still there, and speaks of nothing.
    const left = new Set(after.get(name));
    mark(segments, constants.filter((constant) => !left.has(constant)), 0, spoken);
  }
  follow(segments, spoken);
  // What nobody names is not ours to judge.
  for (const segment of segments) {
    if (!spoken.has(segment)) {
      alive.add(segment);
    }
  }
  for (const segment of dead) {
    alive.delete(segment);
  }
  follow(segments, alive);
  for (const segment of spoken) {
    if (!alive.has(segment)) {
      dead.add(segment);
    }
  }
  return dead;
}

function at(segments, address) {
  return segments.find(({ start, end }) => address >= start && address < end);
}

function mark(segments, constants, slack, found) {
  for (const constant of constants) {
    const meant = segments.find(({ start }) => start === constant);
    for (const segment of segments) {
      const isNeighbour = meant !== undefined && segment !== meant && TEXT.test(segment.bytes.toString('latin1'));
      if (!isNeighbour && constant >= segment.start - slack && constant < segment.end + slack) {
        found.add(segment);
      }
    }
  }
}

/** Adds what the found ones point to. */
function follow(segments, found) {
  for (const { start, bytes } of found) {
    for (let i = (4 - (start % 4)) % 4; i + 4 <= bytes.length; i += 4) {
      const target = at(segments, bytes.readUInt32LE(i));
      if (target !== undefined) {
        found.add(target);
      }
    }
  }
}
