import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: [
      { find: /^durable-sessions$/, replacement: new URL('./dist/node.js', import.meta.url).pathname },
      { find: /^durable-sessions\/(testing|streams)$/, replacement: new URL('./dist/$1/index.js', import.meta.url).pathname },
    ] },
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    globalSetup: ['test/setup.ts'],
    // Ends what hangs; a busy machine is no failure.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
