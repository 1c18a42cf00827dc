// Builds dist/: wasm (cargo, wasm-bindgen, wasm-opt), then JavaScript and types (tsc), then says how large it came out.
// Tools come from PATH and node_modules only. `--js-only` keeps the wasm that is there.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { minifyGlue } from './glue.mjs';
import { minifyDist } from './minify.mjs';
import { reportSizes } from './size.mjs';
import { snip } from './snip.mjs';

const pkg = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const root = resolve(pkg, '..');
const bin = (name) => join(pkg, 'node_modules', '.bin', name);
const wasmDir = join(pkg, 'dist', 'wasm');
const crate = 'durable-sessions-client-wasm';
const jsOnly = process.argv.includes('--js-only');

function run(command, args, options = {}) {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: pkg, ...options });
  } catch (error) {
    if (error.code === 'ENOENT') {
      throw new Error(`${command} is not on PATH; \`cargo xtask setup\` installs it`);
    }
    throw error;
  }
}

function targetDir() {
  const metadata = execFileSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], { cwd: root, maxBuffer: 1 << 26 });
  return JSON.parse(metadata.toString()).target_directory;
}

// Where a panic happened is kept in the module; whose machine built it is nobody's business.
function remapped() {
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'src');
  return [`--remap-path-prefix=${registry}=dependencies`, `--remap-path-prefix=${root}=.`];
}

function buildWasm() {
  const triple = 'wasm32-unknown-unknown';
  // As a module alone: with the library that the crate's tests link, cargo would leave out the optimisation across crates.
  run('cargo', ['rustc', '--quiet', '--lib', '-p', crate, '--crate-type', 'cdylib', '--profile', 'wasm', '--target', triple], {
    cwd: root,
    // Names are needed until the panics are snipped; wasm-opt strips them.
    env: {
      ...process.env,
      CARGO_PROFILE_WASM_STRIP: 'none',
      CARGO_ENCODED_RUSTFLAGS: [
        ...remapped(),
        // One data segment an item, so that those of the panics can be told.
        '-Clink-arg=--no-merge-data-segments',
        // The stack holds no buffers, and nesting is bounded: of the usual megabyte it needs little. Data begins behind it, and
        // small addresses are short. Running over its end traps.
        '-Clink-arg=-zstack-size=131072',
        // Inlined is what is called once, or marked `#[inline]` where it is called for every event or value: what the compiler
        // would inline besides made a third of a kilobyte and nothing faster.
        '-Cllvm-args=-inline-threshold=1',
      ].join('\x1f'),
    },
  });
  const built = join(targetDir(), triple, 'wasm', `${crate.replaceAll('-', '_')}.wasm`);
  mkdirSync(wasmDir, { recursive: true });
  // No default path in the glue: the entry files of the package say where the wasm is, once.
  run('wasm-bindgen', [built, '--target', 'web', '--out-dir', wasmDir, '--out-name', 'durable_sessions', '--omit-default-module-path', '--keep-debug']);
  const wasm = join(wasmDir, 'durable_sessions_bg.wasm');
  const optimised = `${wasm}.opt`;
  writeFileSync(wasm, snip(readFileSync(wasm)).bytes);
  const features = ['--enable-bulk-memory', '--enable-nontrapping-float-to-int', '--enable-sign-ext', '--enable-mutable-globals', '--enable-reference-types', '--enable-multivalue'];
  const strip = ['--strip-debug', '--strip-producers', '--strip-target-features'];
  const level = process.env.DURABLE_SESSIONS_WASM_OPT ?? '-O3';
  // Zeros between data compress better than the heads of segments that would leave them out.
  // The first 1024 bytes are the far end of the stack: no address wraps around into them.
  const names = execFileSync(bin('wasm-opt'), [wasm, '-o', optimised, level, '--low-memory-unused', '--skip-pass=memory-packing', '--one-caller-inline-max-function-size=30', '--flexible-inline-max-function-size=5', '--minify-imports-and-exports-and-modules', ...features, ...strip], { cwd: pkg });
  renameSync(optimised, wasm);
  const glue = join(wasmDir, 'durable_sessions.js');
  writeFileSync(glue, minifyGlue(readFileSync(glue, 'utf8'), names.toString()));
  // The facade compiles against the hand-written declaration; the generated one is kept under its own name for the test that compares them.
  renameSync(join(wasmDir, 'durable_sessions.d.ts'), join(wasmDir, 'generated.d.ts'));
  rmSync(join(wasmDir, 'durable_sessions_bg.wasm.d.ts'), { force: true });
}

async function buildJs() {
  run(bin('tsc'), ['-p', 'tsconfig.build.json']);
  await minifyDist(pkg);
  mkdirSync(wasmDir, { recursive: true });
  for (const declaration of ['durable_sessions.d.ts', 'inline.d.ts']) {
    copyFileSync(join(pkg, 'src', 'wasm', declaration), join(wasmDir, declaration));
  }
  copyFileSync(join(pkg, 'src', 'generated', 'events.schema.json'), join(pkg, 'dist', 'events.schema.json'));
}

// For the entry `inline`, which has no file to find.
function writeInline(wasm) {
  writeFileSync(join(wasmDir, 'inline.js'), `export const wasmInBase64 = '${readFileSync(wasm).toString('base64')}';\n`);
}

if (!jsOnly) {
  rmSync(join(pkg, 'dist'), { recursive: true, force: true });
  buildWasm();
}
await buildJs();
const built = join(wasmDir, 'durable_sessions_bg.wasm');
if (existsSync(built)) {
  writeInline(built);
  // Said here, enforced by `npm run size`.
  await reportSizes();
} else {
  console.log('no wasm in dist/wasm yet: only types and JavaScript were built');
}
