import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { describe, expect, it } from 'vitest';

import { SessionStore } from '../store/session-store';
import { event } from '../store/testing';
import { Timeline as TimelineModel } from '../store/timeline';
import type { ToolRow } from '../store/timeline-items';
import { linesOf } from '../store/terminal';
import { ConnectionBanner, ConnectionPill } from './ConnectionStatus';
import { RejectedPanel } from './RejectedPanel';
import { RichText } from './RichText';
import { Runs } from './Runs';
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
const visible = (node: ReactNode) => html(node).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

function store(fill: (store: SessionStore) => void, now = 1_000): SessionStore {
  const tasks: (() => void)[] = [];
  const made = new SessionStore({ schedule: (task) => tasks.push(task), now: () => now });
  fill(made);
  for (const task of tasks) task();
  return made;
}

function tool(...events: Parameters<TimelineModel['apply']>[0][]): ToolRow {
  const model = new TimelineModel();
  for (const each of events) model.apply(each);
  return model.snapshot().items[0] as ToolRow;
}

const hostile = '<img src=x onerror=alert(1)>';

describe('what agents write', () => {
  it('never becomes markup', () => {
    for (const made of [
      rendered(<RichText text={`${hostile} **${hostile}** \`${hostile}\`\n\n- ${hostile}\n\`\`\`\n${hostile}`} />),
      rendered(<Runs runs={linesOf(`\u001b[31m${hostile}`)[0] ?? []} />),
      rendered(<ToolItem row={tool(event('tool:result', { id: 'a', tool: 'bash', input: { command: hostile }, output: hostile }))} />),
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
    const row = tool(
      event('tool:start', { id: 'a', tool: 'bash', input: { command: 'make test' } }),
      event('tool:result', { id: 'a', tool: 'bash', output: 'line\n'.repeat(100), isError: true, exitCode: 2, duration: 1_500 }),
    );
    expect(visible(<ToolItem row={row} />)).toContain('bash make test 1.5 s failed · exit 2');
    expect(visible(<ToolItem row={row} />)).toContain('Show all (100 lines)');
  });

  it('says that there was no output', () => {
    const row = tool(event('tool:result', { id: 'a', tool: 'true', output: '', duration: 3 }));
    expect(visible(<ToolItem row={row} />)).toContain('No output');
  });
});

describe('the connection', () => {
  const detail = { attempt: 3, maxAttempts: 10, nextDelayMs: 4_000, cause: 'connection refused' };
  const nothing = () => undefined;
  const banner = (from: SessionStore, isCut = false) => html(<ConnectionBanner store={from} isCut={isCut} onReconnect={nothing} onRestore={nothing} />);

  it('shows attempt and countdown, and speaks without the countdown', () => {
    const made = html(<ConnectionPill store={store((it) => it.moved('reconnecting', detail), Date.now())} />);
    expect(made).toMatch(/Reconnecting, attempt 3 of 10, next in [34] s/);
    expect(made).toMatch(/aria-live="polite"[^>]*>Reconnecting, attempt 3 of 10</);
  });

  it('says why it was lost, and offers the way back', () => {
    const lost = store((it) => {
      it.moved('lost', { ...detail, nextDelayMs: null });
      it.lost('connection refused. Gave up after 10 attempts (CONNECTION_LOST).');
    });
    expect(banner(lost)).toContain('Gave up after 10 attempts');
    expect(banner(lost)).toContain('data-testid="reconnect"');
    expect(banner(lost, true)).toContain('Restore and reconnect');
  });

  it('is silent while all is well', () => {
    expect(banner(store((it) => it.moved('connected', null)))).toBe('');
  });
});

describe('rejected events', () => {
  it('come with their reasons', () => {
    const rejected = store((it) =>
      it.rejected({ code: 'INVALID_EVENT', message: 'no', eventType: 'chunk', path: '$.data.text', expected: 'a string', came: '42', offset: 7 }),
    );
    const text = visible(<RejectedPanel store={rejected} />);
    for (const part of ['INVALID_EVENT', 'chunk', '$.data.text', 'a string', '42', 'Offset 7']) expect(text).toContain(part);
  });
});
