// The bench's input: seeded events in the mix of client-spike (75 % chunks, 15 % tool events with nested JSON, 10 %
// others), framed as our server frames them: `event: data` with a JSON array, then `event: control`.

function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const WORDS = 'the agent reads a file and then runs its tests before it answers with what it found in module cache naïve “plan”'.split(' ');

// What an agent writes in Chinese, Japanese or Korean, with the names and numbers that stay as they are.
const CJK_WORDS = '代理读取文件 然后运行测试 在回答之前 先看缓存 结果は次の通りです エラーが見つかりました 파일을 읽고 테스트를 실행합니다 src/main.rs 42'.split(' ');

let cjk = false;

function sentence(next, words) {
  let text = '';
  if (cjk) {
    for (let i = 0; i < words; i += 1) {
      text += `${CJK_WORDS[Math.floor(next() * CJK_WORDS.length)]}、`;
    }
    return text;
  }
  for (let i = 0; i < words; i += 1) {
    // Two words in a hundred keep their accents and quotes, as in real prose.
    const limit = next() < 0.02 ? WORDS.length : WORDS.length - 2;
    text += ` ${WORDS[Math.floor(next() * limit)]}`;
  }
  return text;
}

function chunk(next, i) {
  const data = { text: sentence(next, 1 + Math.floor(next() * 6)), agentId: 'agent-1', turn: 1 + (i >> 8) };
  return { type: 'chunk', data };
}

function tool(next, i) {
  const id = `call-${i}`;
  if (next() < 0.5) {
    return { type: 'tool:start', data: { id, tool: 'edit', input: { path: `src/module-${i}.rs`, edits: [{ from: i, to: i + 4, text: sentence(next, 12) }], dryRun: false } } };
  }
  const lines = Array.from({ length: 8 }, (_, line) => ({ line, text: sentence(next, 8), matches: [line, line + 1] }));
  return { type: 'tool:result', data: { id, tool: 'search', output: { ok: true, lines, total: 8 }, isError: false, duration: Math.floor(next() * 900) } };
}

function other(next, i) {
  switch (i % 4) {
    case 0:
      return { type: 'terminal:output', data: { data: `${sentence(next, 10)}\r\n`, source: 'agent' } };
    case 1:
      return { type: 'state:update', data: { agentId: 'agent-1', status: 'running', turn: 1 + (i >> 8), progress: 0.5, currentTool: 'edit' } };
    case 2:
      return { type: 'agent:turn', data: { agentId: 'agent-1', turn: 1 + (i >> 8), maxTurns: 50, remaining: 12, usage: { inputTokens: 1200, outputTokens: 300 } } };
    default:
      return { type: 'presence:joined', data: { userId: `user-${i % 7}`, displayName: 'A person' } };
  }
}

/** `count` events; `mix` is 'mixed' or 'chunks', `script` 'ascii' or 'cjk'. */
export function events(mix, count, { script = 'ascii', seed = 7 } = {}) {
  const next = random(seed);
  cjk = script === 'cjk';
  const out = [];
  for (let i = 0; i < count; i += 1) {
    const pick = mix === 'chunks' ? 0 : next();
    const body = pick < 0.75 ? chunk(next, i) : pick < 0.9 ? tool(next, i) : other(next, i);
    out.push({ id: `evt-${seed}-${i}`, type: body.type, timestamp: 1_790_000_000_000 + i * 7, data: body.data });
  }
  return out;
}

const encoder = new TextEncoder();

/** One SSE text per frame of `perFrame` events. */
export function frames(list, perFrame) {
  const out = [];
  for (let i = 0; i < list.length; i += perFrame) {
    const slice = list.slice(i, i + perFrame);
    const count = i + slice.length;
    const control = { streamNextOffset: String(count).padStart(20, '0'), streamCursor: '12345', upToDate: count === list.length, streamMessageCount: count };
    out.push(encoder.encode(`event: data\ndata:${JSON.stringify(slice)}\n\nevent: control\ndata:${JSON.stringify(control)}\n\n`));
  }
  return out;
}

/** The frames as a network brings them: in chunks of so many bytes, wherever those end. */
export function networkChunks(list, bytes) {
  const whole = new Uint8Array(list.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of list) {
    whole.set(frame, at);
    at += frame.length;
  }
  return Array.from({ length: Math.ceil(at / bytes) }, (_, i) => whole.slice(i * bytes, (i + 1) * bytes));
}

/** A body of `total` chunk events that are made as they are read, so that the input itself takes no memory. */
export function longBody(total, perFrame, beforeFrame) {
  let made = 0;
  return new ReadableStream({
    async pull(controller) {
      await beforeFrame(made);
      if (made >= total) {
        controller.close();
        return;
      }
      const list = events('chunks', perFrame, { seed: 1 + made });
      made += perFrame;
      const control = { streamNextOffset: String(made).padStart(20, '0'), streamCursor: '12345', upToDate: made >= total, streamMessageCount: made };
      controller.enqueue(encoder.encode(`event: data\ndata:${JSON.stringify(list)}\n\nevent: control\ndata:${JSON.stringify(control)}\n\n`));
    },
  });
}

/** A body that has every chunk ready. */
export function body(chunks) {
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (at < chunks.length) {
          controller.enqueue(chunks[at]);
          at += 1;
        } else {
          controller.close();
        }
      },
    },
    { highWaterMark: 4 },
  );
}
