import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { 'durable-sessions': new URL('./dist/node.js', import.meta.url).pathname } },
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    globalSetup: ['test/setup.ts'],
  },
});
