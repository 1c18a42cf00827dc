// The suite, in whatever environment it is loaded: every candidate takes its turn in every round, so that a slow
// moment of the machine hits all of them alike, and medians are compared.
import { body, events, frames, networkChunks } from './corpus.mjs';
import { ourStack, parseStack, zodRecordsStack, zodStack } from './stacks.mjs';

/** Network chunks of a busy connection. */
const NETWORK_BYTES = 64 * 1024;

const SHAPES = { live: 1, catchup: 100 };

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

// What a consumer would do at the least: look at the text and keep a sum.
function consumer() {
  let sum = 0;
  return {
    onEvent: (event) => {
      sum += event.data.text === undefined ? 1 : event.data.text.length;
    },
    sum: () => sum,
  };
}

async function throughput(stacks, chunks, total, rounds, cpu) {
  const times = Object.fromEntries(Object.keys(stacks).map((name) => [name, []]));
  const sums = new Set();
  for (let round = -2; round < rounds; round += 1) {
    for (const [name, stack] of Object.entries(stacks)) {
      const sink = consumer();
      const started = await cpu();
      const delivered = await stack(body(chunks), total, sink.onEvent);
      const spent = (await cpu()) - started;
      if (delivered !== total) {
        throw new Error(`${name} delivered ${delivered} of ${total}`);
      }
      sums.add(sink.sum());
      // The first rounds warm the compilers up.
      if (round >= 0) {
        times[name].push(spent);
      }
    }
  }
  if (sums.size !== 1) {
    throw new Error(`the candidates disagree about what they read: ${[...sums].join(', ')}`);
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

/** From handing over the bytes of one frame to the callback, the stream's own machinery included. */
async function latency(stack, list, samples) {
  const one = frames(list.slice(0, samples), 1);
  let controller;
  let cancelled = false;
  const source = new ReadableStream({
    start: (given) => {
      controller = given;
    },
    cancel: () => {
      cancelled = true;
    },
  });
  let seen;
  const done = stack(source, samples, () => seen());
  const times = [];
  // Nothing is read before the candidate has begun to.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const frame of one) {
    const arrived = new Promise((resolve) => {
      seen = () => resolve(performance.now());
    });
    const started = performance.now();
    controller.enqueue(frame);
    times.push((await arrived) - started);
  }
  if (!cancelled) {
    controller.close();
  }
  await done;
  return median(times.slice(samples >> 2)) * 1000;
}

export async function runSuite({ DurableStreamsClient, quick = false, cpu = () => performance.now() }) {
  const stacks = { ours: ourStack(DurableStreamsClient), zod: zodStack, zodRecords: zodRecordsStack, parse: parseStack };
  const total = quick ? 4000 : 20_000;
  const rounds = quick ? 5 : 15;
  const result = { throughput: {}, latency: {} };
  for (const mix of ['mixed', 'chunks']) {
    const list = events(mix, total);
    for (const [shape, perFrame] of Object.entries(SHAPES)) {
      const chunks = networkChunks(frames(list, perFrame), NETWORK_BYTES);
      result.throughput[`${mix}.${shape}`] = { events: total, ...(await throughput(stacks, chunks, total, rounds, cpu)) };
    }
  }
  const list = events('chunks', quick ? 400 : 2000);
  for (const [name, stack] of Object.entries(stacks)) {
    result.latency[name] = await latency(stack, list, list.length);
  }
  return result;
}
