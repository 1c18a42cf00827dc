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
  return { bytes: module.emitBinary(), snipped: names.length };
}
