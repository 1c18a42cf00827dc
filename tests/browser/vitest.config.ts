import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['*.test.ts'],
    // Every test starts servers and a browser of its own; two cores hold one such world at a time.
    fileParallelism: false,
    // Limits for a hung run only; what a test waits for is a condition.
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
