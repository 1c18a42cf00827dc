// Makes what joins wasm and JavaScript small: one-letter names for imports and exports (wasm-bindgen's carry hashes,
// which no compression removes, in both files), a loader for what the facade passes instead of one for everything, and
// short ways for the few strings that cross here: headers, causes, notices. Those of events take another way.

const LOADER_START = 'async function __wbg_load(';

// What `init` of the facade passes: a URL or its text, a response, bytes or a module, or a promise of one of them.
const LOADER = `export default async function init({ module_or_path }) {
    let source = await module_or_path;
    if (typeof source === 'string' || source instanceof URL || (typeof Request === 'function' && source instanceof Request)) {
        source = await fetch(source);
    }
    if (typeof Response === 'function' && source instanceof Response) {
        if (!source.ok) {
            throw new Error(\`failed to fetch Wasm: \${source.status} \${source.statusText} fetching '\${source.url}'\`);
        }
        // A server that does not send application/wasm only costs the streaming.
        source = source.headers.get('content-type') === 'application/wasm' ? WebAssembly.compileStreaming(source) : source.arrayBuffer();
        source = await source;
    }
    const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    return __wbg_finalize_init(await WebAssembly.instantiate(module, __wbg_get_imports()), module);
}
`;

// In place of functions made for speed and for browsers without `encodeInto`.
const SHORT = {
  passStringToWasm0: `function passStringToWasm0(text, malloc) {
    const bytes = new TextEncoder().encode(text);
    const ptr = malloc(bytes.length, 1) >>> 0;
    getArrayU8FromWasm0(ptr, bytes.length).set(bytes);
    WASM_VECTOR_LEN = bytes.length;
    return ptr;
}
`,
  // One view of just the place: faster than a part of a kept view of everything.
  getArrayU8FromWasm0: `function getArrayU8FromWasm0(ptr, len) {
    return new Uint8Array(wasm.memory.buffer, ptr >>> 0, len);
}
`,
  getStringFromWasm0: `function getStringFromWasm0(ptr, len) {
    return decodeText(getArrayU8FromWasm0(ptr, len));
}
`,
  getUint8ArrayMemory0: '',
  // Headers alone are written through it.
  getDataViewMemory0: `function getDataViewMemory0() {
    return new DataView(wasm.memory.buffer);
}
`,
  // One that is thrown away cannot reach the 2 GB after which Safari's fails.
  decodeText: `function decodeText(bytes) {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
`,
};

// Statements that only served those.
const UNUSED = [
  /let cachedTextDecoder = [^]*?\nlet numBytesDecoded = 0;\n/,
  /let cachedDataViewMemory0 = null;\n/,
  / *cachedDataViewMemory0 = null;\n/,
  /let cachedUint8ArrayMemory0 = null;\n/,
  / *cachedUint8ArrayMemory0 = null;\n/,
  / *wasmModule = module;\n/,
  / *wasmInstance = instance;\n/,
  // The driver holds every connection until it frees it, so none is ever found by the garbage collector.
  /const ConnectionFinalization = [^]*?;\n/,
  / *ConnectionFinalization\.register\(.*\n/,
  / *ConnectionFinalization\.unregister\(.*\n/,
  /if \(Symbol\.dispose\) .*\n/,
  /const cachedTextEncoder = new TextEncoder\(\);\n\nif \(!\('encodeInto'[^]*?\n}\n/,
];

function shortened(text) {
  for (const [name, short] of Object.entries(SHORT)) {
    const start = text.indexOf(`function ${name}(`);
    const end = text.indexOf('\n}\n', start) + 3;
    if (start < 0 || end < start) {
      throw new Error(`wasm-bindgen's glue has no function ${name} any more: scripts/glue.mjs has to follow it`);
    }
    text = text.slice(0, start) + short + text.slice(end);
  }
  for (const unused of UNUSED) {
    if (!unused.test(text)) {
      throw new Error(`wasm-bindgen's glue has no ${unused} any more: scripts/glue.mjs has to follow it`);
    }
    text = text.replace(unused, '');
  }
  return text;
}

function replaced(text, from, to) {
  if (!text.includes(from)) {
    throw new Error(`wasm-bindgen's glue has no ${JSON.stringify(from)} any more: scripts/glue.mjs has to follow it`);
  }
  return text.replaceAll(from, to);
}

/** `names` is what wasm-opt printed about its renaming. */
export function minifyGlue(glue, names) {
  const { imports, exports } = JSON.parse(names);
  const start = glue.indexOf(LOADER_START);
  if (start < 0) {
    throw new Error("wasm-bindgen's glue has no loader where scripts/glue.mjs looks for it");
  }
  let text = shortened(glue.slice(0, start)) + LOADER;
  const memory = exports.find(([name]) => name === 'memory');
  text = replaced(text, '    return wasm;\n', `    return { memory: wasm.${memory[1]}, module };\n`);
  for (const [module, name, short] of imports) {
    text = replaced(text, `        ${name}: function`, `        ${short}: function`);
    if (text.includes(`"${module}": import0`)) {
      text = text.replace(`"${module}": import0`, 'a: import0');
    }
  }
  // The longest first: no name may be mistaken for the beginning of another.
  for (const [name, short] of [...exports].sort(([a], [b]) => b.length - a.length)) {
    text = text.replaceAll(new RegExp(`\\bwasm\\.${name.replaceAll('$', '\\$')}\\b`, 'g'), `wasm.${short.replaceAll('$', '$$$$')}`);
  }
  return text;
}
