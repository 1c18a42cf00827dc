// The tests run on what is shipped, so it has to be built.
import { existsSync } from 'node:fs';

export default function setup(): void {
  if (!existsSync(new URL('../dist/wasm/durable_sessions_bg.wasm', import.meta.url))) {
    throw new Error('dist is not built: run `npm run build` first');
  }
}
