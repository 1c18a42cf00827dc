// Importing has to do nothing at all: no request, no file, no timer, nothing that keeps the process.
const asked = [];
globalThis.fetch = (url) => asked.push(String(url));
WebAssembly.compile = WebAssembly.instantiate = () => asked.push('wasm');
const before = Object.keys(globalThis).length;
for (const entry of ['durable-sessions', 'durable-sessions/inline', 'durable-sessions/slim']) {
  await import(entry);
}
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify({ asked, resources: process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap' && kind !== 'TTYWrap'), globals: Object.keys(globalThis).length - before }));
