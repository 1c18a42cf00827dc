import { defineConfig } from 'vitest/config';

const dist = new URL('./dist/', import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^durable-sessions$/, replacement: `${dist}node.js` },
      { find: /^durable-sessions\/(testing|streams|store|react)$/, replacement: `${dist}$1/index.js` },
      { find: /^durable-sessions\/([a-z]+)$/, replacement: `${dist}$1.js` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    globalSetup: ['test/setup.ts'],
    // Ends what hangs; a busy machine is no failure.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
