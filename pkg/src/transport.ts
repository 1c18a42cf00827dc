// The live modes of the protocol beside SSE (PROTOCOL.md 5.6 to 5.8): when polls take its place, and how what they bring
// is put into the frames that SSE would have brought, so that the machine in wasm knows one way. The rules are those of
// crates/client-core/src/live. Must not know requests, timers or events.

/** Why this answer to a request for SSE means that a poll is to be tried; other refusals would be the same for one. */
export async function objection(answer: Response): Promise<string> {
  const { status } = answer;
  const type = answer.headers.get('content-type') ?? '';
  if (status === 200 ? !/^text\/event-stream/i.test(type) : status === 204) {
    return `${type || 'nothing'} instead of an event stream`;
  }
  const isRefused = [400, 405, 406, 415, 501].includes(status) || ([429, 503].includes(status) && /"fallback":\s*"long-poll"/.test(await answer.text()));
  return isRefused ? `HTTP status ${status}` : '';
}

/** The answer to a poll as that to a request for SSE which ends soon; null if it is none. */
export async function asEventStream(answer: Response): Promise<Response | null> {
  const header = (name: string) => answer.headers.get(`stream-${name}`);
  const streamNextOffset = header('next-offset');
  if ((answer.status !== 200 && answer.status !== 204) || streamNextOffset === null) {
    return null;
  }
  const body = await answer.text();
  const control = { streamNextOffset, streamCursor: header('cursor'), upToDate: header('up-to-date') === 'true', streamClosed: header('closed') === 'true' };
  const data = body && `event: data\ndata: ${body.replace(/\r\n?|\n/g, '\ndata: ')}\n\n`;
  return new Response(`${data}event: control\ndata: ${JSON.stringify(control)}\n\n`, {
    headers: { 'content-type': 'text/event-stream', 'stream-message-count': header('message-count') ?? '' },
  });
}
