// The whole bench: Node and Chromium, then the sizes. `--quick` for a smoke run, `--node` or `--chromium` for one only.
// Prints tables, and `bench <name> <value> <unit>` lines for programs.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { reportSizes } from '../scripts/size.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const quick = process.argv.includes('--quick');
const wants = (name) => process.argv.includes(`--${name}`) || !(process.argv.includes('--node') || process.argv.includes('--chromium'));

/** What the package promises, in Chromium; whatever is not named here is only measured. */
const TARGETS = [
  ['mixed', 'zod', 1.5],
  ['chunks', 'zod', 2],
  ['mixed', 'parse', 1],
  ['chunks', 'parse', 1],
];

const OTHERS = {
  zod: 'eventsource-parser + JSON.parse + zod 4',
  zodRecords: 'the same, making the channel records that ours delivers',
  valibot: 'eventsource-parser + JSON.parse + valibot',
  typebox: 'eventsource-parser + JSON.parse + typebox, compiled',
  client: '@durable-streams/client + zod 4',
  parse: 'eventsource-parser + JSON.parse alone, neither validation nor records',
};

const lineName = (other) => `vs_${other.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`)}`;

function report(name, title, { throughput, latency, memoryGrowth }) {
  const others = Object.keys(OTHERS).filter((other) => Object.values(throughput).some((times) => other in times));
  console.log(`\n${title}: median CPU per event of ours in microseconds, and how many times that the others take`);
  for (const other of others) {
    console.log(`  ${other}: ${OTHERS[other]}`);
  }
  console.log('  payloads-read: mixed, by a consumer that looks at every input and output; the others look at texts only');
  console.log(`${'corpus'.padEnd(32)}${'ours'.padStart(8)}${others.map((other) => other.padStart(11)).join('')}`);
  const lines = [];
  for (const [corpus, { events, ours, ...rest }] of Object.entries(throughput)) {
    const per = ((ours * 1000) / events).toFixed(2);
    const times = (other) => (other in rest ? (rest[other] / ours).toFixed(2) : '');
    console.log(`${corpus.padEnd(32)}${per.padStart(8)}${others.map((other) => times(other).padStart(11)).join('')}`);
    lines.push(`bench client.${name}.${corpus}.ours ${per} us/event`);
    for (const other of others.filter((name) => name in rest)) {
      lines.push(`bench client.${name}.${corpus}.${lineName(other)} ${(rest[other] / ours).toFixed(2)} x`);
    }
  }
  console.log(`one frame, from bytes to callback: ${Object.entries(latency).map(([candidate, us]) => `${candidate} ${us.toFixed(1)} us`).join(', ')}`);
  for (const [candidate, us] of Object.entries(latency)) {
    lines.push(`bench client.${name}.latency.${candidate} ${us.toFixed(1)} us`);
  }
  if (memoryGrowth !== null) {
    console.log(`heap: ${(memoryGrowth / 1024).toFixed(0)} KiB more after a million events than after 200,000`);
    lines.push(`bench client.${name}.memory.growth ${(memoryGrowth / 1024).toFixed(1)} KiB`);
  }
  console.log(lines.join('\n'));
}

function verdicts({ throughput }) {
  for (const [mix, other, target] of TARGETS) {
    for (const [corpus, { ours, [other]: theirs }] of Object.entries(throughput)) {
      if (corpus.startsWith(mix)) {
        const reached = theirs / ours;
        console.log(`target ${corpus} >= ${target} x ${other}: ${reached.toFixed(2)} ${reached >= target ? 'met' : 'MISSED'}`);
      }
    }
  }
}

if (wants('node')) {
  const args = ['--expose-gc', join(here, 'node.mjs'), ...(quick ? ['--quick'] : [])];
  report('node', `Node ${process.version}`, JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
}
if (wants('chromium')) {
  const { runInChromium } = await import('./browser.mjs');
  const { version, result } = await runInChromium({ quick });
  report('chromium', `Chromium ${version}`, result);
  verdicts(result);
}
console.log();
await reportSizes();
