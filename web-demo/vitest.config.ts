import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The package beside this folder has a React of its own, for its tests.
  resolve: { dedupe: ['react', 'react-dom'] },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
  },
});
