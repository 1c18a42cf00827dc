import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` forwards the API to a running server, so that the page is always same-origin with it, as in production.
const server = process.env['DEMO_SERVER'] ?? 'http://127.0.0.1:4437';

export default defineConfig({
  // Relative, so that the server may mount the page anywhere.
  base: './',
  plugins: [react()],
  // The package beside this folder has a React of its own, for its tests.
  resolve: { dedupe: ['react', 'react-dom'] },
  build: {
    outDir: 'dist',
    // Browsers that know light-dark() and oklch(); older ones would only get a bulkier style sheet.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // The content security policy allows no data: scripts, and a module preload polyfill would only be dead weight.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  server: {
    port: 5173,
    proxy: { '/v1': server, '/api': server, '/metrics': server, '/readyz': server },
  },
});
