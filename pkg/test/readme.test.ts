// The examples of the README compile as an application's code would.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

const pkg = new URL('..', import.meta.url).pathname;

it('has examples that compile', () => {
  const examples = [...readFileSync(join(pkg, 'README.md'), 'utf8').matchAll(/^```ts example\n(.*?)^```$/gms)].map(([, code]) => code as string);
  expect(examples.length).toBeGreaterThan(4);
  // Inside the package, so that its name means the package itself.
  const dir = mkdtempSync(join(pkg, 'test', '.readme-'));
  try {
    examples.forEach((code, n) => writeFileSync(join(dir, `${n}.ts`), `${code}\nexport {};\n`));
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }));
    const compile = () => execFileSync(join(pkg, 'node_modules/.bin/tsc'), ['--noEmit', '-p', dir], { encoding: 'utf8', stdio: 'pipe' });
    try {
      compile();
    } catch (error) {
      expect.fail((error as { stdout: string }).stdout);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}, 60_000);
