// Entry `durable-sessions/testing`: a server, a clock and a network for an application's own tests.
export { TestClock } from './clock.js';
export { TestServer } from './server.js';
export type { RecordedRequest, TestServerOptions } from './server.js';
