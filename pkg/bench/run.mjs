// The whole bench: Node and Chromium, then the sizes. `--quick` for a smoke run, `--node` or `--chromium` for one only.
// Prints tables, and `bench <name> <value> <unit>` lines for programs.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { reportSizes } from '../scripts/size.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const quick = process.argv.includes('--quick');
const wants = (name) => process.argv.includes(`--${name}`) || !(process.argv.includes('--node') || process.argv.includes('--chromium'));

/** What the package promises, in Chromium. */
const TARGETS = [
  ['mixed', 'zod', 1.4],
  ['chunks', 'zod', 2],
  ['chunks', 'parse', 1],
];

function report(name, title, { throughput, latency }) {
  console.log(`\n${title}: median CPU per event in microseconds, and how many times faster than the others`);
  console.log('  zod: eventsource-parser + JSON.parse + zod 4; +records: the same, making the channel records that ours');
  console.log('  delivers; parse: eventsource-parser + JSON.parse alone, neither validation nor records');
  console.log('corpus            ours     zod +records  parse   vs zod +records vs parse');
  const lines = [];
  for (const [corpus, { events, ours, zod, zodRecords, parse }] of Object.entries(throughput)) {
    const per = (ms) => ((ms * 1000) / events).toFixed(2).padStart(8);
    const ratio = (ms) => (ms / ours).toFixed(2).padStart(9);
    console.log(`${corpus.padEnd(14)}${per(ours)}${per(zod)}${per(zodRecords)}${per(parse)}${ratio(zod)}${ratio(zodRecords)}${ratio(parse)}`);
    lines.push(`bench client.${name}.${corpus}.ours ${per(ours).trim()} us/event`);
    lines.push(`bench client.${name}.${corpus}.vs_zod ${ratio(zod).trim()} x`);
    lines.push(`bench client.${name}.${corpus}.vs_zod_records ${ratio(zodRecords).trim()} x`);
    lines.push(`bench client.${name}.${corpus}.vs_parse ${ratio(parse).trim()} x`);
  }
  console.log(`one frame, from bytes to callback: ours ${latency.ours.toFixed(1)} us, zod ${latency.zod.toFixed(1)} us, parse ${latency.parse.toFixed(1)} us`);
  for (const [candidate, us] of Object.entries(latency)) {
    lines.push(`bench client.${name}.latency.${candidate} ${us.toFixed(1)} us`);
  }
  console.log(lines.join('\n'));
}

function verdicts({ throughput }) {
  for (const [mix, other, target] of TARGETS) {
    for (const shape of ['live', 'catchup']) {
      const { ours, [other]: theirs } = throughput[`${mix}.${shape}`];
      const reached = theirs / ours;
      console.log(`target ${mix}.${shape} >= ${target} x ${other}: ${reached.toFixed(2)} ${reached >= target ? 'met' : 'MISSED'}`);
    }
  }
}

if (wants('node')) {
  const args = [join(here, 'node.mjs'), ...(quick ? ['--quick'] : [])];
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
