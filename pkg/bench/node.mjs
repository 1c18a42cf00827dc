// Runs the suite in this Node.
import { DurableStreamsClient, init } from '../dist/node.js';
import { runSuite } from './suite.mjs';

const quick = process.argv.includes('--quick');
await init();
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const heap = async () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
console.log(JSON.stringify(await runSuite({ DurableStreamsClient, quick, cpu, heap })));
process.exit();
