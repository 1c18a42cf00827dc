import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { describe, expect, it } from 'vitest';

import { DurableStreamsError } from 'durable-sessions';
import type { ToolCallItem } from 'durable-sessions/store';

import { Monitor } from '../view/monitor';
import { linesOf } from '../view/terminal';
import { ApprovalBar } from './Approvals';
import { ConnectionBanner, ConnectionPill } from './ConnectionStatus';
import { OutboxPanel } from './OutboxPanel';
import { RejectedPanel } from './RejectedPanel';
import { RichText } from './RichText';
import { Runs } from './Runs';
import { FakeSession, record } from './testing';
import { TerminalPane } from './TerminalPane';
import { Timeline } from './Timeline';
import { ToolItem } from './ToolItem';

function rendered(node: ReactNode): HTMLElement {
  const place = document.createElement('div');
  const root = createRoot(place);
  flushSync(() => root.render(node));
  const made = place.cloneNode(true) as HTMLElement;
  root.unmount();
  return made;
}

const html = (node: ReactNode) => rendered(node).innerHTML;
const words = (element: HTMLElement) => element.innerHTML.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const visible = (node: ReactNode) => words(rendered(node));

function tool(change: Partial<ToolCallItem>, data: Record<string, unknown> = {}): ToolCallItem {
  return {
    kind: 'tool', key: 'c:a', offset: 1, timestamp: 1_000, callId: 'a', tool: 'bash', status: 'complete', input: undefined, output: undefined,
    durationMs: null, startedAt: null, endedAt: 1_000, elapsedSeconds: null, record: record(1, 'tool:result', data), ...change,
  };
}

const hostile = '<img src=x onerror=alert(1)>';

describe('what agents write', () => {
  it('never becomes markup', () => {
    for (const made of [
      rendered(<RichText text={`${hostile} **${hostile}** \`${hostile}\`\n\n- ${hostile}\n\`\`\`\n${hostile}`} />),
      rendered(<Runs runs={linesOf(`\u001b[31m${hostile}`)[0] ?? []} />),
      rendered(<ToolItem row={tool({ input: { command: hostile }, output: hostile })} />),
    ]) {
      expect(made.querySelector('img')).toBeNull();
      expect(made.textContent).toContain(hostile);
    }
  });

  it('gets its colours from class names, not from style attributes', () => {
    const made = html(<Runs runs={linesOf('\u001b[1;32mok\u001b[0m plain \u001b[7minverse\u001b[38;2;1;2;3m')[0] ?? []} />);
    expect(made).toBe('<span class="fg-green bold">ok</span> plain <span class="fg-inverse bg-inverse">inverse</span>');
  });
});

describe('a tool call', () => {
  it('says what, how it went and how long it took, and offers the rest of a long output', () => {
    const row = tool({ input: { command: 'make test' }, output: 'line\n'.repeat(100), status: 'error', durationMs: 1_500 }, { exitCode: 2 });
    expect(visible(<ToolItem row={row} />)).toContain('bash make test 1.5 s failed · exit 2');
    expect(visible(<ToolItem row={row} />)).toContain('Show all (100 lines)');
  });

  it('measures between its two events where the producer gave no duration', () => {
    expect(visible(<ToolItem row={tool({ startedAt: 1_000, endedAt: 1_500 })} />)).toContain('≈ 500 ms');
  });

  it('says that there was no output', () => {
    const row = tool({ tool: 'true', output: '', durationMs: 3 });
    expect(visible(<ToolItem row={row} />)).toContain('No output');
  });
});

describe('the connection', () => {
  const detail = { attempt: 3, maxAttempts: 10, nextDelayMs: 4_000, cause: 'connection refused' };
  const nothing = () => undefined;
  const banner = (happen: (session: FakeSession) => void, isCut = false) =>
    new FakeSession().show(<ConnectionBanner session="s" isCut={isCut} onRestore={nothing} />, happen).innerHTML;

  it('shows attempt and countdown, and speaks without the countdown', () => {
    const made = new FakeSession().show(<ConnectionPill session="s" />, (it) => it.move('reconnecting', detail)).innerHTML;
    expect(made).toMatch(/Reconnecting, attempt 3 of 10, next in [3-5] s/);
    expect(made).toMatch(/aria-live="polite"[^>]*>Reconnecting, attempt 3 of 10</);
  });

  it('says why it was lost, and offers the way back', () => {
    const lost = (it: FakeSession) => {
      it.move('lost', { ...detail, nextDelayMs: null });
      it.lose({ attempts: 10, cause: 'connection refused' });
    };
    expect(banner(lost)).toContain('Connection refused. Gave up after 10 attempts.');
    expect(banner(lost)).toContain('data-testid="reconnect"');
    expect(banner(lost, true)).toContain('Restore and reconnect');
  });

  it('is silent while all is well', () => {
    expect(banner((it) => it.move('connected'))).toBe('');
  });
});

describe('sending', () => {
  const me = { userId: 'u', displayName: 'Ada' };
  const request = record(1, 'approval:requested', { taskId: 't', payload: { title: 'Deploy', approvalId: 'a1' } });
  const click = (place: HTMLElement, name: string) => flushSync(() => place.querySelector<HTMLElement>(`[data-testid=${name}]`)?.click());

  it('answers an approval with its id, in the name of the visitor', () => {
    const session = new FakeSession();
    const bar = session.show(<ApprovalBar session="s" me={me} />, (it) => it.deliver(request), (place) => click(place, 'approve'));
    expect(words(bar)).toContain('The agent waits for approval Deploy');
    expect(session.sent).toEqual([{ type: 'approval:approved', data: { taskId: 't', actor: 'Ada', payload: { approvalId: 'a1' } } }]);
  });

  it('offers no decision twice, and one again that is asked again', () => {
    const decided = record(2, 'approval:rejected', { taskId: 't', payload: { approvalId: 'a1' } });
    expect(new FakeSession().show(<ApprovalBar session="s" me={me} />, (it) => it.deliver(request, decided)).innerHTML).toBe('');
    const again = record(3, 'approval:requested', { taskId: 't', payload: { approvalId: 'a1' } });
    expect(new FakeSession().show(<ApprovalBar session="s" me={me} />, (it) => it.deliver(request, decided, again)).innerHTML).toContain('approve');
  });

  it('writes to the terminal, and shows what has not arrived or was not sent', () => {
    const session = new FakeSession();
    session.outbox = [
      { id: 'x1', event: { id: 'x1', type: 'terminal:input', data: { data: 'ls\n' }, timestamp: 1 } as never, state: 'pending', cause: null },
      { id: 'x2', event: { id: 'x2', type: 'terminal:input', data: { data: 'rm\n' }, timestamp: 1 } as never, state: 'failed', cause: { message: 'HTTP status 403' } },
    ];
    const pane = session.show(<TerminalPane session="s" />, undefined, (place) => {
      const input = place.querySelector<HTMLInputElement>('[data-testid=terminal-input]') as HTMLInputElement;
      flushSync(() => {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, 'make');
        input.dispatchEvent(new Event('input', { bubbles: true }));
      });
      flushSync(() => input.form?.requestSubmit());
    });
    expect(session.sent).toEqual([{ type: 'terminal:input', data: { data: 'make\n', source: 'user' } }]);
    expect(words(pane)).toContain('ls sending…');
    expect(words(pane)).toContain('rm Not sent: HTTP status 403 Try again Discard');
  });
});

describe('the outbox', () => {
  const monitorNow = () => {
    const tasks: (() => void)[] = [];
    const monitor = new Monitor({ schedule: (task) => (tasks.push(task), () => undefined), now: () => 1_000 });
    return { monitor, frame: () => tasks.splice(0).forEach((task) => task()) };
  };
  const entry = (id: string, state: string, attempts = 1, cause: DurableStreamsError | null = null) => ({ id, event: { id, type: 'terminal:input', data: {}, timestamp: 1 }, state, attempts, cause });
  const refused = new DurableStreamsError('FORBIDDEN', 'the server refused: not yours');

  it('says how much waits, and what was given up, why, how often tried, and in which doubt', () => {
    const { monitor, frame } = monitorNow();
    monitor.gaveUp({ event: { id: 'x4', type: 'terminal:input' } as never, reason: refused, attempts: 3, inDoubt: true });
    frame();
    const entries = [entry('x1', 'pending', 0), entry('x2', 'sending', 2), entry('x3', 'sent'), entry('x4', 'failed', 3, refused), entry('x5', 'failed', 1, refused)];
    const asked: string[] = [];
    const outbox = { subscribe: () => () => undefined, getSnapshot: () => entries as never, retry: (id: string) => (asked.push(id), Promise.resolve([])), discard: () => undefined };
    const place = document.createElement('div');
    const root = createRoot(place);
    flushSync(() => root.render(<OutboxPanel outbox={outbox} monitor={monitor} />));
    const text = words(place);
    expect(text).toContain('2 waiting, 1 stored and not seen yet, 2 given up · attempt 2');
    expect(text).toMatch(/terminal:input 3 attempts FORBIDDEN the server refused: not yours It may be stored all the same/);
    expect(text.match(/may be stored/g)).toHaveLength(1);
    flushSync(() => place.querySelector<HTMLElement>('[data-id=x5] button')?.click());
    expect(asked).toEqual(['x5']);
    root.unmount();
    expect(monitor.getSnapshot().log.items.at(-1)?.text).toBe('not sent: terminal:input, FORBIDDEN after 3 attempts; it may be stored all the same');
  });

  it('says that it is empty', () => {
    const outbox = { subscribe: () => () => undefined, getSnapshot: () => nothingSent, retry: () => Promise.resolve([]), discard: () => undefined };
    expect(visible(<OutboxPanel outbox={outbox} monitor={monitorNow().monitor} />)).toContain('Everything sent from here is in the stream');
  });
});

const nothingSent: readonly never[] = [];

describe('the timeline', () => {
  it('shows notes, turns and a gap', () => {
    const shown = new FakeSession().show(<Timeline session="s" me={{ userId: 'u', displayName: 'U' }} control={null} />, (it) =>
      it.deliver(record(1, 'agent:turn', { agentId: 'a', turn: 2, maxTurns: 9 }), record(4, 'my:own', { level: 3 })),
    );
    const text = words(shown);
    for (const part of ['Turn 2 of 9', '2 events missing', 'my:own', '{"level":3}']) expect(text).toContain(part);
  });
});

describe('rejected events', () => {
  it('come with their reasons', () => {
    const tasks: (() => void)[] = [];
    const monitor = new Monitor({ schedule: (task) => (tasks.push(task), () => undefined), now: () => 1_000 });
    monitor.error(new DurableStreamsError('INVALID_EVENT', 'no', { eventType: 'chunk', path: '$.data.text', expected: 'a string', came: '42', offset: 7 }));
    for (const task of tasks) task();
    const text = visible(<RejectedPanel monitor={monitor} />);
    for (const part of ['INVALID_EVENT', 'chunk', '$.data.text', 'a string', '42', 'Offset 7']) expect(text).toContain(part);
  });
});
