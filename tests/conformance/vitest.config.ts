import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['*.test.ts'],
    reporters: ['default', './harness/summary.ts'],
    // Each file has a server of its own; two cores hold one such world at a time.
    fileParallelism: false,
    // Limits for a hung run only; what a test waits for is a condition. The public suite sets its own where it needs to.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
