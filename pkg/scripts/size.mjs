// How large the package is for a page: wasm, and JavaScript, bundled and minified. The core is what an application takes that
// subscribes, validates, reconnects and sends; `all` is every export of the main entry. The store and the React bindings are
// entries of their own, and counted alone: what they add to a page that has the core.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const pkg = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** What the hand-written stack of @durable-streams/client and zod 4 costs. */
const BUDGET_GZIP_BYTES = 35 * 1024;
/** zod 4 alone. */
const GOAL_GZIP_BYTES = 29 * 1024;
/** The bindings alone: React and the store are not in it. */
const REACT_GZIP_BYTES_MAX = 3 * 1024;
const STORE_GZIP_BYTES_MAX = 10 * 1024;

export function measure(bytes) {
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
}

/** Subscribing, validating, reconnecting and sending; the rest of the main entry is left out of a bundle that does not use it. */
const CORE = ['DurableStreamsClient', 'DurableStreamsError', 'configure', 'getDurableStreamsClient', 'init', 'subscribeToAgent', 'subscribeToSession'];

/** Entries that a page loads for themselves; the core does not grow by them. */
const ENTRIES = ['streams', 'testing'];

/** The JavaScript of an entry, or of `names` of its exports, without what `external` matches. */
async function bundle(entryPath, external, names) {
  const { build } = await import('vite');
  const dir = mkdtempSync(join(pkg, 'node_modules', '.size-'));
  try {
    const entry = join(dir, 'main.js');
    writeFileSync(entry, `export ${names === undefined ? '*' : `{ ${names} }`} from ${JSON.stringify(join(pkg, 'dist', entryPath))};\n`);
    await build({
      root: dir,
      logLevel: 'error',
      configFile: false,
      build: {
        outDir: 'out',
        assetsInlineLimit: 0,
        modulePreload: false,
        minify: true,
        target: 'es2022',
        rollupOptions: { input: entry, external, preserveEntrySignatures: 'strict', output: { entryFileNames: 'main.js' } },
      },
    });
    const out = join(dir, 'out');
    const files = readdirSync(out, { recursive: true }).map(String).filter((name) => name.endsWith('.js'));
    return Buffer.concat(files.map((name) => readFileSync(join(out, name))));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function reportSizes() {
  const wasm = measure(readFileSync(join(pkg, 'dist', 'wasm', 'durable_sessions_bg.wasm')));
  const core = await bundle('index.js', [], CORE);
  const js = measure(core);
  const withWasm = ({ raw, gzip, brotli }) => ({ raw: wasm.raw + raw, gzip: wasm.gzip + gzip, brotli: wasm.brotli + brotli });
  const all = withWasm(measure(await bundle('index.js', [])));
  const store = measure(await bundle('store/index.js', []));
  const react = measure(await bundle('react/index.js', [/^react$/, /\/store\/index\.js$/]));
  const sizes = { wasm, js, package: withWasm(js), all, store, react };
  for (const name of ENTRIES) {
    sizes[`/${name}`] = measure(await bundle(`${name}/index.js`, []));
  }
  console.log('size                 raw      gzip    brotli');
  for (const [name, size] of Object.entries(sizes)) {
    console.log(`${name.padEnd(14)}${String(size.raw).padStart(10)}${String(size.gzip).padStart(10)}${String(size.brotli).padStart(10)}`);
  }
  for (const [name, size] of Object.entries(sizes)) {
    for (const [kind, bytes] of Object.entries(size)) {
      console.log(`bench size.${name}.${kind} ${bytes} B`);
    }
  }
  const limits = { package: BUDGET_GZIP_BYTES, store: STORE_GZIP_BYTES_MAX, react: REACT_GZIP_BYTES_MAX };
  let over = false;
  for (const [name, limit] of Object.entries(limits)) {
    const { gzip } = sizes[name];
    over ||= gzip > limit;
    const goal = name === 'package' ? GOAL_GZIP_BYTES : limit;
    const verdict = gzip > limit ? 'OVER the budget' : gzip > goal ? 'within the budget, over the goal' : 'within the goal';
    console.log(`${name} gzip ${gzip} bytes: ${verdict} (budget ${limit}, goal ${goal})`);
  }
  // Whoever takes the core takes nothing of these along.
  const strays = ['useSyncExternalStore', 'truncatedCount', '~standard', 'heartbeat'].filter((word) => core.includes(word));
  if (strays.length > 0) console.log(`the core has parts in it that belong to the store, to the React bindings, to presenceOf or to defineEvents: ${strays.join(', ')}`);
  return { ...sizes, over: over || strays.length > 0 };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { over } = await reportSizes();
  // A benchmark reports; a check that must hold asks for it.
  process.exitCode = over && process.argv.includes('--enforce') ? 1 : 0;
}
