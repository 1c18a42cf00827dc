// Rewrites src/generated from crates/schema. `cargo test -p durable-sessions-client-wasm` fails while it is stale.
import { execFileSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
execFileSync('cargo', ['run', '--quiet', '-p', 'durable-sessions-client-wasm', '--example', 'generate'], { cwd: root, stdio: 'inherit' });
