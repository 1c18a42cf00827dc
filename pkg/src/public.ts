// Everything the package exports.
export { DurableStreamsClient, configure, getDurableStreamsClient, subscribeToAgent, subscribeToSession } from './client.js';
export { defineEvents } from './custom.js';
export { presenceOf } from './presence.js';
export { init } from './init.js';
export type { WasmSource } from './wasm-source.js';
export { DurableStreamsError } from './errors.js';
export type { DurableStreamsErrorCode } from './errors.js';
export type * from './custom-types.js';
export type * from './types.js';
export type * from './session-types.js';
export type * from './generated/types.js';
