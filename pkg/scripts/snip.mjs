// Replaces the functions that only put a panic into words by `unreachable`, after which wasm-opt drops what they alone
// used: formatting, unicode tables, the panic hook. A panic ends the instance all the same; nothing reads its words,
// since the module has no hook that would print them. Rust's own switch for this is not on stable.
import binaryen from 'binaryen';

// What the compiler calls when an index, a slice, an unwrap, a borrow or an allocation fails.
const PANICS =
  /^(core|std|alloc|__rustc)(\[[0-9a-f]+\])?::(panicking::|rust_panic$|rust_begin_unwind$|option::(unwrap|expect)_failed|result::unwrap_failed|slice::index::slice_\w*fail|str::slice_error_fail|cell::(panic_|lazy::panic_)|raw_vec::(handle_error|capacity_overflow)|alloc::(handle_alloc_error|rust_oom)|thread::local::panic_|fmt::float|unicode::printable)|^<.* as core(\[[0-9a-f]+\])?::fmt::Debug>::fmt|^<std(\[[0-9a-f]+\])?::panicking::/;

/** The module with its panics snipped, and how many there were. */
export function snip(bytes) {
  const module = binaryen.readBinary(bytes);
  const names = [];
  for (let i = 0; i < module.getNumFunctions(); i += 1) {
    const { name, module: imported } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
    if (!imported && PANICS.test(name)) {
      names.push(name);
    }
  }
  for (const name of names) {
    const { params, results } = binaryen.getFunctionInfo(module.getFunction(name));
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
  }
  const snipped = module.emitBinary();
  blankPanicData(snipped);
  return { bytes: snipped, snipped: names.length };
}

// Where panics happen, and what only they say. Nothing reads it once they are snipped, but data is not collected as
// functions are.
const SOURCE = /(?:\/rustc\/[0-9a-f]{40}\/library|\bcrates|\bdependencies)\/[\w./-]+\.rs\0?/g;
const WORDS =
  /slice index starts at | but ends at |index out of bounds: the len is | but the index is |range (?:start|end) index |" ?out of range for slice of length | out of range for slice of length |assertion `left |right` failed(?:: )?\n  left: |\n right: |copy_from_slice: source slice length \(|\) does not match destination slice length \(|attempt to join into collection with len > usize::MAX|called `(?:Result::unwrap|Option::unwrap)\(\)` on an? `(?:Err|None)` value|capacity overflow|RefCell already (?:mutably )?borrowed|dest is out of bounds/g;
const LOCATION_BYTES = 16;

/** Fills with zeros, which cost nothing, in place: lengths stay. */
function blankPanicData(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { start, end, address } of activeSegments(bytes)) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
    const sources = [...text.matchAll(SOURCE)].map((match) => ({ from: match.index, to: match.index + match[0].length }));
    const isSource = (from, length) => sources.some((source) => from >= source.from && from + length <= source.to && length > 4);
    // core::panic::Location: address and length of the path, line, column.
    for (let at = (4 - (address % 4)) % 4; at + LOCATION_BYTES <= end - start; at += 4) {
      if (isSource(view.getUint32(start + at, true) - address, view.getUint32(start + at + 4, true))) {
        bytes.fill(0, start + at, start + at + LOCATION_BYTES);
      }
    }
    for (const { from, to } of sources) {
      bytes.fill(0, start + from, start + to);
    }
    for (const match of text.matchAll(WORDS)) {
      bytes.fill(0, start + match.index, start + match.index + match[0].length);
    }
  }
}

/** Where the data segments stand in the module, and where they go in memory. */
function activeSegments(bytes) {
  const leb = (at, signed) => {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) {
        return [signed && shift < 32 && byte & 64 ? value | (-1 << shift) : value, at];
      }
    }
  };
  const segments = [];
  let at = 8;
  while (at < bytes.length) {
    const id = bytes[at];
    const [length, body] = leb(at + 1, false);
    at = body + length;
    if (id !== 11) {
      continue;
    }
    let [count, here] = leb(body, false);
    for (; count > 0; count -= 1) {
      // An active segment of memory 0 at a constant address is all that Rust writes.
      if (bytes[here] !== 0 || bytes[here + 1] !== 0x41) {
        throw new Error('a data segment of another kind: scripts/snip.mjs has to follow');
      }
      const [address, afterAddress] = leb(here + 2, true);
      const [size, start] = leb(afterAddress + 1, false);
      segments.push({ start, end: start + size, address });
      here = start + size;
    }
  }
  return segments;
}
