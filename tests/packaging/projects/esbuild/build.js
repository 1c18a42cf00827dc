import { build } from 'esbuild';

const common = { bundle: true, minify: true, outdir: 'dist', logLevel: 'warning' };
await build({ ...common, entryPoints: ['main.js'], format: 'esm', loader: { '.wasm': 'file' } });
// One file each, in the form that every browser takes in every kind of worker.
await build({ ...common, entryPoints: ['worker.js', 'service-worker.js'], format: 'iife' });
