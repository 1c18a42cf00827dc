import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: [
      { find: /^durable-sessions$/, replacement: new URL('./dist/node.js', import.meta.url).pathname },
      { find: /^durable-sessions\/(store|react|testing|streams)$/, replacement: `${new URL('./dist/', import.meta.url).pathname}$1/index.js` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    globalSetup: ['test/setup.ts'],
  },
});
