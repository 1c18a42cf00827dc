// Replaces the functions that only put a panic into words by `unreachable`, after which wasm-opt drops what they alone
// used: formatting, unicode tables, the panic hook. A panic ends the instance all the same; nothing reads its words,
// since the module has no hook that would print them. Rust's own switch for this is not on stable.
import binaryen from 'binaryen';

import { constantsOf, dataOf, deadData } from './panic-data.mjs';

// What the compiler calls when an index, a slice, an unwrap, a borrow or an allocation fails, and wasm-bindgen for a handle
// that was freed.
const PANICS =
  /^(core|std|alloc|__rustc)(\[[0-9a-f]+\])?::(panicking::|rust_panic$|rust_begin_unwind$|option::(unwrap|expect)_failed|result::unwrap_failed|slice::index::slice_\w*fail|str::slice_error_fail|cell::(panic_|lazy::panic_)|raw_vec::(handle_error|capacity_overflow)|alloc::(handle_alloc_error|rust_oom)|thread::local::panic_|fmt::float|unicode::printable)|^wasm_bindgen::(throw_str|__rt::(throw_null|borrow_fail))|^<.* as core(\[[0-9a-f]+\])?::fmt::Debug>::fmt|^<std(\[[0-9a-f]+\])?::panicking::/;

/** The module with its panics snipped and their data zeroed: how many there were, and how many bytes. */
export function snip(bytes) {
  const module = binaryen.readBinary(bytes);
  const segments = dataOf(module);
  const before = constantsOf(binaryen, module);
  const names = [...before.keys()].filter((name) => PANICS.test(name));
  for (const name of names) {
    const { params, results } = binaryen.getFunctionInfo(module.getFunction(name));
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
  }
  // What was handed to them is no use of it: texts above all.
  module.runPasses(['remove-unused-module-elements', 'dae']);
  dropTable(module);
  throwsNothing(module);
  const dead = deadData(segments, before, constantsOf(binaryen, module));
  setData(module, segments.filter((segment) => !dead.has(segment)));
  const deadBytes = [...dead].reduce((sum, { bytes: data }) => sum + data.length, 0);
  return { bytes: module.emitBinary(), snipped: names.length, deadBytes };
}

/**
 * Drops the table of functions, which no function that is left calls through: only descriptions that the CLI of wasm-bindgen has
 * read do, and the formatting of panics. No tool sees it, since whatever a table holds counts as called.
 */
function dropTable(module) {
  for (let i = module.getNumElementSegments() - 1; i >= 0; i -= 1) {
    module.removeElementSegment(binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(i)).name);
  }
  module.runPasses(['remove-unused-module-elements']);
  for (let i = 0; i < module.getNumFunctions(); i += 1) {
    const { name, body } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
    if (body !== 0 && binaryen.emitText(body).includes('call_indirect')) {
      throw new Error(`${name} calls through the table: scripts/snip.mjs must not drop it any more`);
    }
  }
}

/** What only panics throw may be dropped as long as nothing else throws: `panic-data.mjs` goes by that. */
function throwsNothing(module) {
  for (let i = 0; i < module.getNumFunctions(); i += 1) {
    const { base } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
    if (/wbindgen_throw|wbindgen_error_new|_new_.*Error/.test(base)) {
      throw new Error(`the module imports ${base}: the texts of freed handles in scripts/panic-data.mjs may be thrown`);
    }
  }
}

/** One segment, with zeros where nothing is: they compress better than the heads of many segments. */
function setData(module, segments) {
  const start = segments[0].start;
  const data = new Uint8Array(segments.at(-1).end - start);
  for (const segment of segments) {
    data.set(segment.bytes, segment.start - start);
  }
  const { initial, max } = module.getMemoryInfo();
  module.setMemory(initial, max ?? -1, null, [{ offset: module.i32.const(start), data }]);
}
