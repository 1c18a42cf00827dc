import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { 'durable-sessions': new URL('./dist/node.js', import.meta.url).pathname } },
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    globalSetup: ['test/setup.ts'],
    // Far beyond what any of it takes: the machine may have other work.
    testTimeout: 60_000,
  },
});
