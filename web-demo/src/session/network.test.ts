// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { Network, NetworkCutError } from './network';

/** A server that sends what it is told to, when it is told to. */
function feed() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let aborted: unknown = null;
  const network = new Network(async (_input, init) => {
    const body = new ReadableStream<Uint8Array>({
      start: (made) => {
        controller = made;
      },
    });
    init?.signal?.addEventListener('abort', () => {
      aborted = init.signal?.reason;
      controller.error(aborted);
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'stream-message-count': '0' } });
  });
  return { network, send: (text: string) => controller.enqueue(new TextEncoder().encode(text)), aborted: () => aborted };
}

async function reader(network: Network) {
  const response = await network.fetch('/stream');
  const from = response.body!.getReader();
  return async () => new TextDecoder().decode((await from.read()).value);
}

const one = '{"id":"a","type":"chunk","timestamp":1700000000000,"data":{"text":"say \\"timestamp\\": 1700000000000"}}';

describe('network', () => {
  it('passes bytes on unchanged and counts them', async () => {
    const { network, send } = feed();
    const read = await reader(network);
    send(one);
    expect(await read()).toBe(one);
    expect(network.bytes).toBe(one.length);
  });

  it('damages one event of a batch, once, and leaves valid JSON', async () => {
    const { network, send } = feed();
    const read = await reader(network);
    network.damageNextEvent();
    send(`data: [${one},${one}]\n`);
    const damaged = await read();
    const [first, second] = JSON.parse(damaged.slice(6)) as [Record<string, unknown>, Record<string, unknown>];
    expect('timestamp' in first).toBe(false);
    expect(second['timestamp']).toBe(1_700_000_000_000);
    expect(network.damagePending).toBe(0);
    send(one);
    expect(await read()).toBe(one);
  });

  it('waits for an event when other bytes come first', async () => {
    const { network, send } = feed();
    const read = await reader(network);
    network.damageNextEvent();
    send(': ping\n\n');
    expect(await read()).toBe(': ping\n\n');
    expect(network.damagePending).toBe(1);
  });

  it('ends open responses when cut, refuses new requests, and works again when restored', async () => {
    const { network, aborted } = feed();
    const read = await reader(network);
    const pending = read();
    network.cut();
    await expect(pending).rejects.toBeInstanceOf(NetworkCutError);
    expect(aborted()).toBeInstanceOf(NetworkCutError);
    await expect(network.fetch('/stream')).rejects.toBeInstanceOf(NetworkCutError);
    network.restore();
    expect((await network.fetch('/stream')).ok).toBe(true);
  });

  it('still obeys the caller\'s own signal', async () => {
    const { network, aborted } = feed();
    const caller = new AbortController();
    await network.fetch('/stream', { signal: caller.signal });
    caller.abort(new Error('enough'));
    expect(aborted()).toMatchObject({ message: 'enough' });
  });
});
