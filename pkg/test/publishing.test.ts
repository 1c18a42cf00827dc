// What tools and registries think of the tarball: the exports map leads somewhere, and its types say what is there.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { pack } from './packed.js';

const MINUTES = 60_000;
const pkg = new URL('..', import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
let dir = '';
let tarball = new Uint8Array();
let files: readonly string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'durable-sessions-publish-'));
  const packed = await pack(dir);
  const { filename } = packed;
  ({ files } = packed);
  tarball = new Uint8Array(readFileSync(join(dir, filename)));
}, 2 * MINUTES);

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('the tarball', () => {
  it('carries the licences of the repository', () => {
    const names = ['LICENSE-APACHE', 'LICENSE-MIT'];
    expect(files).toEqual(expect.arrayContaining(names));
    for (const name of names) {
      expect(readFileSync(join(pkg, name), 'utf8'), name).toBe(readFileSync(join(pkg, '..', name), 'utf8'));
    }
  });

  it('says of the React entry that it is for the client', () => {
    expect(readFileSync(join(pkg, 'dist/react/index.js'), 'utf8')).toMatch(/^(['"])use client\1;/);
  });
});

describe('the exports map', () => {
  it('satisfies publint', async () => {
    const { messages, pkg: seen } = await publint({ pack: { tarball: tarball.buffer }, level: 'warning', strict: true });
    expect(seen['name']).toBe('durable-sessions');
    expect(messages.map((message) => formatMessage(message, seen))).toEqual([]);
  }, MINUTES);

  it('satisfies attw wherever ES modules can be imported', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(tarball), { excludeEntrypoints: ['./wasm', './schema.json'] });
    if (analysis.types === false) {
      throw new Error('the package has no types');
    }
    const typed = Object.keys(manifest.exports).filter((entry) => typeof manifest.exports[entry] === 'object');
    expect(Object.keys(analysis.entrypoints)).toEqual(expect.arrayContaining(typed));
    for (const entry of typed) {
      for (const kind of ['node16-esm', 'bundler'] as const) {
        expect(analysis.entrypoints[entry]?.resolutions[kind].resolution?.isTypeScript, `${entry} in ${kind}`).toBe(true);
      }
    }
    // ES modules only: node10 reads no exports map, and require() of an ES module is Node's to allow.
    const problems = analysis.problems.filter(({ kind, ...where }) => {
      const resolution = 'resolutionKind' in where ? where.resolutionKind : null;
      return resolution !== 'node10' && kind !== 'CJSResolvesToESM';
    });
    expect(problems).toEqual([]);
  }, MINUTES);
});
