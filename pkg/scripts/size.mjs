// How large the package is for a page: wasm, and the JavaScript of an application that uses all of it, bundled and minified.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const pkg = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** What the hand-written stack of @durable-streams/client and zod 4 costs. */
const BUDGET_GZIP_BYTES = 35 * 1024;
/** zod 4 alone. */
const GOAL_GZIP_BYTES = 29 * 1024;

export function measure(bytes) {
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
}

/** Entries that a page loads for themselves; the core does not grow by them. */
const ENTRIES = ['streams', 'testing'];

async function bundle(file = 'index.js') {
  const { build } = await import('vite');
  const dir = mkdtempSync(join(pkg, 'node_modules', '.size-'));
  try {
    const entry = join(dir, 'main.js');
    writeFileSync(entry, `export * from ${JSON.stringify(join(pkg, 'dist', file))};\n`);
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
        rollupOptions: { input: entry, preserveEntrySignatures: 'strict', output: { entryFileNames: 'main.js' } },
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
  const js = measure(await bundle());
  const all = { raw: wasm.raw + js.raw, gzip: wasm.gzip + js.gzip, brotli: wasm.brotli + js.brotli };
  console.log('size                 raw      gzip    brotli');
  const entries = {};
  for (const name of ENTRIES) {
    entries[`/${name}`] = measure(await bundle(`${name}/index.js`));
  }
  for (const [name, size] of Object.entries({ wasm, js, package: all, ...entries })) {
    console.log(`${name.padEnd(14)}${String(size.raw).padStart(10)}${String(size.gzip).padStart(10)}${String(size.brotli).padStart(10)}`);
  }
  for (const [name, size] of Object.entries({ wasm, js, package: all })) {
    for (const [kind, bytes] of Object.entries(size)) {
      console.log(`bench size.${name}.${kind} ${bytes} B`);
    }
  }
  const over = all.gzip > BUDGET_GZIP_BYTES;
  const verdict = over ? 'OVER the budget' : all.gzip > GOAL_GZIP_BYTES ? 'within the budget, over the goal' : 'within the goal';
  console.log(`package gzip ${all.gzip} bytes: ${verdict} (budget ${BUDGET_GZIP_BYTES}, goal ${GOAL_GZIP_BYTES})`);
  return { wasm, js, all, over };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { over } = await reportSizes();
  // A benchmark reports; a check that must hold asks for it.
  process.exitCode = over && process.argv.includes('--enforce') ? 1 : 0;
}
