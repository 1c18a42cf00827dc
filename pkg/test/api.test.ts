// The public interface is what api/ says: a change of it is made on purpose.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

const run = promisify(execFile);
const MINUTES = 60_000;

it('has the public interface that is committed', async () => {
  const { stdout } = await run(process.execPath, ['scripts/api.mjs', '--check'], { cwd: new URL('..', import.meta.url).pathname }).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('as committed\n');
}, 3 * MINUTES);
