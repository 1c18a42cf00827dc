// How requests are carried out: what a fetch that does not play along may do, and how bytes arrive.
import type { FetchLike } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, until } from './fake.js';
import { Recorder, subscribe } from './harness.js';

const EVENT_STREAM = { headers: { 'content-type': 'text/event-stream' } };

/** A body that never ends and says when it is let go. */
function endless(text = ''): { body: ReadableStream<Uint8Array>; cancelled(): boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (text !== '') {
        controller.enqueue(new TextEncoder().encode(text));
      }
    },
    cancel: () => {
      cancelled = true;
    },
  });
  return { body, cancelled: () => cancelled };
}

describe('requests', () => {
  it('lets go of a body whose fetch does not listen to the signal', async () => {
    const { body, cancelled } = endless(control(0));
    const fetch: FetchLike = async () => new Response(body, EVENT_STREAM);
    const { subscription } = subscribe(new FakeServer(), { fetch });
    await until(() => subscription.getState() === 'connected');
    subscription.unsubscribe();
    await until(cancelled);
  });

  it('lets go of an answer that comes too late', async () => {
    const { body, cancelled } = endless();
    let answer: ((response: Response) => void) | undefined;
    const fetch: FetchLike = () => new Promise((resolve) => (answer = resolve));
    const { recorder, subscription } = subscribe(new FakeServer(), { fetch });
    await until(() => answer !== undefined);
    subscription.unsubscribe();
    answer?.(new Response(body, EVENT_STREAM));
    await until(cancelled);
    expect(recorder.errors).toEqual([]);
  });

  it('lets go of the body of an answer that is refused', async () => {
    const { body, cancelled } = endless();
    const fetch: FetchLike = async () => new Response(body, { status: 404 });
    const { recorder } = subscribe(new FakeServer(), { fetch });
    await until(cancelled);
    expect(recorder.errors.map(({ code }) => code)).toEqual(['SESSION_NOT_FOUND']);
  });

  it('does not send a request that nobody wants any more when the token comes', async () => {
    const server = new FakeServer({ body: control(0) });
    let give: ((token: string) => void) | undefined;
    const { subscription } = subscribe(server, { token: () => new Promise((resolve) => (give = resolve)) });
    await until(() => give !== undefined);
    subscription.unsubscribe();
    give?.('late');
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(server.requests).toEqual([]);
  });

  it('says what a fetch answered with when it is no answer', async () => {
    for (const wrong of [undefined, null, 'text', {}, { status: 503 }, { status: 200, headers: {}, body: null }]) {
      const fetch = (async () => wrong) as unknown as FetchLike;
      const { recorder } = subscribe(new FakeServer(), { fetch });
      await until(() => recorder.lost.length === 1);
      expect(recorder.lost[0]?.cause, String(wrong)).toBe('no connection: fetch answered with something that is no Response');
    }
  });

  it('takes whatever is thrown', async () => {
    const causes: string[] = [];
    for (const thrown of [new TypeError('broken'), 'words', undefined]) {
      const fetch: FetchLike = () => Promise.reject(thrown as Error);
      const { recorder } = subscribe(new FakeServer(), { fetch });
      await until(() => recorder.lost.length === 1);
      causes.push(recorder.lost[0]?.cause ?? '');
    }
    expect(causes).toEqual(['no connection: broken', 'no connection: words', 'no connection: no reason given']);
  });

  it('ends with an answer that has no body', async () => {
    const fetch: FetchLike = async () => new Response(null, EVENT_STREAM);
    const { recorder } = subscribe(new FakeServer(), { fetch });
    await until(() => recorder.lost.length === 1);
    expect(recorder.lost[0]?.cause).toBe('the stream ended before anything arrived');
  });
});

describe('bytes', () => {
  it('takes a chunk of any size, in pieces whose ends fall anywhere', async () => {
    const events = Array.from({ length: 3000 }, (_, i) => chunk(i + 1, { text: i % 3 === 0 ? `é${'x'.repeat(100)}` : 'y'.repeat(90) }));
    const server = new FakeServer({ body: data(...events) + control(3000), pieces: 1 << 30 });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 3000);
    expect(recorder.records.map((record) => (record.channel === 'chunks' ? record.data.text : ''))).toEqual(events.map((event) => (event.data as { text: string }).text));
    subscription.unsubscribe();
  });

  it('gives every string back as it was written, whatever stands beside it', async () => {
    const texts = ['', 'plain', '\u{feff}mark first', 'é', 'a\nb\t"\\', '\u{1f600}\u{1f601}', '\u0000\u001f\u007f', 'x'.repeat(300), `${'ö'.repeat(300)}end`];
    const events = texts.map((text, i) => chunk(i, { text, agentId: `agent-${text.length > 2 ? 'ü' : 'u'}` }));
    const server = new FakeServer({ body: data(...events) + control(texts.length) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === texts.length);
    const seen = recorder.records.map((record) => (record.channel === 'chunks' ? [record.data.text, record.data.agentId] : []));
    expect(seen).toEqual(events.map(({ data: payload }) => [(payload as { text: string }).text, (payload as { agentId: string }).agentId]));
    subscription.unsubscribe();
  });

  it('tells what is absent from what is false, zero or null', async () => {
    const tool = (n: number, more: Record<string, unknown>) => ({ id: `e${n}`, type: 'tool:result', timestamp: 5, data: { id: 't', tool: 'x', ...more } });
    const payloads = [{}, { output: null, isError: false, duration: 0 }, { input: [], isError: true, duration: 1.5 }, { duration: 3_000_000_000 }, { duration: -1 }];
    const server = new FakeServer({ body: data(...payloads.map((payload, i) => tool(i, payload))) + control(payloads.length) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === payloads.length);
    const keys = ['input', 'output', 'isError', 'duration'] as const;
    for (const [i, record] of recorder.records.entries()) {
      const seen = record.data as Record<string, unknown>;
      expect(keys.map((key) => seen[key])).toEqual(keys.map((key) => (payloads[i] as Record<string, unknown>)[key]));
    }
    subscription.unsubscribe();
  });

  it('does not take something else than bytes', async () => {
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue('text');
      },
    });
    const fetch: FetchLike = async () => new Response(body, EVENT_STREAM);
    const recorder = new Recorder();
    subscribe(new FakeServer(), { fetch }, recorder.callbacks);
    await until(() => recorder.lost.length === 1);
    expect(recorder.lost[0]?.cause).toMatch(/no connection|the stream broke/);
  });
});
