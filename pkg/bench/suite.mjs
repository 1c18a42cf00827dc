// The suite, in whatever environment it is loaded: every candidate takes its turn in every round, so that a slow
// moment of the machine hits all of them alike, and medians are compared.
import { body, events, frames, longBody, networkChunks } from './corpus.mjs';
import { clientStack, ourStack, parseStack, typeboxStack, valibotStack, zodRecordsStack, zodStack } from './stacks.mjs';

/** Network chunks of a busy connection. */
const NETWORK_BYTES = 64 * 1024;

const SHAPES = { live: 1, catchup: 100 };

/** Events of the test of memory, and after how many it is first looked at: when everything has its size. */
const MEMORY_EVENTS = 1_000_000;
const MEMORY_SETTLED = 200_000;

// It takes so long for a frame that all of a corpus would take minutes: a share of it, and fewer rounds.
const CLIENT_SHARE = 0.1;
const CLIENT_ROUNDS = 3;

/** Frames that are timed one by one, and how often each candidate has its turn at them. */
const LATENCY_FRAMES = 400;
const LATENCY_ROUNDS = 25;

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

// What a consumer would do at the least: look at the text and keep a sum. One that reads everything looks at payloads too.
function consumer(readsPayloads = false) {
  let sum = 0;
  return {
    onEvent: ({ data }) => {
      sum += data.text === undefined ? 1 : data.text.length;
      if (readsPayloads) {
        sum += (data.input === undefined ? 0 : 1) + (data.output === undefined ? 0 : 1);
      }
    },
    sum: () => sum,
  };
}

async function throughput(stacks, chunks, total, rounds, cpu, readsPayloads = false) {
  const times = Object.fromEntries(Object.keys(stacks).map((name) => [name, []]));
  const sums = new Set();
  for (let round = -2; round < rounds; round += 1) {
    for (const [name, stack] of Object.entries(stacks)) {
      const sink = consumer(readsPayloads);
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
  // The middle half's mean: a page's clock has steps that are as long as what is measured.
  const middle = times.slice(samples >> 2).sort((a, b) => a - b);
  const half = middle.slice(middle.length >> 2, (middle.length * 3) >> 2);
  return (half.reduce((sum, time) => sum + time, 0) / half.length) * 1000;
}

/** By how many bytes the heap has grown over the last 800,000 of a million events. */
async function memoryGrowth(stack, heap) {
  let settled = 0;
  let end = 0;
  const source = longBody(MEMORY_EVENTS, 1000, async (made) => {
    if (made === MEMORY_SETTLED) {
      settled = await heap();
    } else if (made === MEMORY_EVENTS - 1000) {
      end = await heap();
    }
  });
  await stack(source, MEMORY_EVENTS, consumer().onEvent);
  return end - settled;
}

/** `heap` answers with the bytes in use after a collection. A quick run has fewer candidates and corpora, and leaves memory out. */
export async function runSuite({ DurableStreamsClient, quick = false, cpu = () => performance.now(), heap = null }) {
  const ours = ourStack(DurableStreamsClient);
  const few = { ours, zod: zodStack, zodRecords: zodRecordsStack, parse: parseStack };
  const stacks = quick ? few : { ...few, valibot: valibotStack, typebox: typeboxStack };
  const total = quick ? 4000 : 20_000;
  const rounds = quick ? 5 : 15;
  const result = { throughput: {}, latency: {}, memoryGrowth: null };
  for (const script of quick ? ['ascii'] : ['ascii', 'cjk']) {
    for (const mix of ['mixed', 'chunks']) {
      const list = events(mix, total, { script });
      for (const [shape, perFrame] of Object.entries(SHAPES)) {
        const chunks = networkChunks(frames(list, perFrame), NETWORK_BYTES);
        const times = await throughput(stacks, chunks, total, rounds, cpu);
        if (!quick) {
          const share = list.slice(0, total * CLIENT_SHARE);
          const { client } = await throughput({ client: clientStack }, networkChunks(frames(share, perFrame), NETWORK_BYTES), share.length, CLIENT_ROUNDS, cpu);
          times.client = client / CLIENT_SHARE;
        }
        const corpus = `${mix}${script === 'cjk' ? '-cjk' : ''}.${shape}`;
        result.throughput[corpus] = { events: total, ...times };
        if (mix === 'mixed') {
          result.throughput[`payloads-read-${corpus}`] = { events: total, ...(await throughput(few, chunks, total, rounds, cpu, true)) };
        }
      }
    }
  }
  if (!quick && heap !== null) {
    result.memoryGrowth = await memoryGrowth(ours, heap);
  }
  const list = events('chunks', LATENCY_FRAMES);
  const times = Object.fromEntries(Object.keys(stacks).map((name) => [name, []]));
  for (let round = 0; round < (quick ? 3 : LATENCY_ROUNDS); round += 1) {
    for (const [name, stack] of Object.entries(stacks)) {
      times[name].push(await latency(stack, list, list.length));
    }
  }
  for (const [name, list] of Object.entries(times)) {
    result.latency[name] = median(list);
  }
  return result;
}
