import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['*.test.ts'],
    globalSetup: ['harness/setup.ts'],
    // Builds and browsers: two cores hold one of them at a time.
    fileParallelism: false,
    // Limits for a hung run only; what a test waits for is a condition.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
