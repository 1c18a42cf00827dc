// The page of the React tests: components that count their renders, and what a test asks of them. Must not know the test.
import { DurableStreamsClient } from 'durable-sessions';
import type { Presence } from 'durable-sessions/react';
import { DurableSessionsProvider, useConnection, usePresence, useSession, useSessionActions, useSessionEvents } from 'durable-sessions/react';
import type { MessageItem } from 'durable-sessions/store';
import type { ReactNode } from 'react';
import { createElement, memo, StrictMode } from 'react';
import type { Root } from 'react-dom/client';
import { createRoot, hydrateRoot } from 'react-dom/client';

const renders: Record<string, number> = {};
const events: string[] = [];
const problems: string[] = [];
let presence: Presence | null = null;
let frames = 0;
const count = () => {
  frames += 1;
  requestAnimationFrame(count);
};
requestAnimationFrame(count);
const rendered = (name: string) => {
  renders[name] = (renders[name] ?? 0) + 1;
};

const Row = memo(function Row({ message }: { readonly message: MessageItem }) {
  rendered(`row ${message.messageId ?? ''}`);
  return createElement('p', { className: 'row' }, message.text);
});

function Messages({ id }: { readonly id: string }) {
  rendered('messages');
  const messages = useSession(id, (snapshot) => snapshot.messages);
  return createElement('div', null, messages.map((message) => createElement(Row, { key: message.key, message })));
}

function Whole({ id }: { readonly id: string }) {
  rendered('whole');
  const { lastOffset, closed } = useSession(id);
  return createElement('output', { id: 'offset' }, `${lastOffset}${closed ? ' closed' : ''}`);
}

function Who({ id, me }: { readonly id: string; readonly me?: string | undefined }) {
  rendered('who');
  presence = usePresence(id, me === undefined ? null : { userId: me });
  return createElement('output', { id: 'who' }, presence.users.map(({ userId }) => userId).join());
}

function Status({ id }: { readonly id: string }) {
  const { state } = useConnection(id);
  const { send } = useSessionActions(id);
  useSessionEvents(id, 'toolCalls', ({ data }) => events.push(`${data.tool} ${data.status}`));
  useSessionEvents(id, (record) => events.push(record.id));
  return createElement('button', { id: 'state', onClick: () => void send({ type: 'approval:approved', data: { payload: {} } }) }, state);
}

function Approvals({ id }: { readonly id: string }) {
  const workflow = useSession(id, (snapshot) => snapshot.workflow);
  return createElement('output', { id: 'approvals' }, workflow.map(({ record, echo }) => `${record.type} ${echo?.state ?? 'here'}`).join());
}

const parts = { Messages, Whole, Who, Status, Approvals };
export type PartName = keyof typeof parts;

export function App({ client, id, names, me }: { readonly client: DurableStreamsClient; readonly id: string; readonly names: readonly PartName[]; readonly me?: string }): ReactNode {
  const children = names.map((name, i) => createElement(parts[name], { key: i, id, me }));
  return createElement(StrictMode, null, createElement(DurableSessionsProvider, { client, storeOptions: { lingerMs: 50 } }, ...children));
}

const client = new DurableStreamsClient({ url: location.origin });
let root: Root | null = null;

const page = {
  show(id: string, names: readonly PartName[], me?: string) {
    root ??= createRoot(document.querySelector('#root') as Element);
    root.render(createElement(App, { client, id, names, ...(me === undefined ? null : { me }) }));
  },
  hydrate(id: string, names: readonly PartName[]) {
    root = hydrateRoot(document.querySelector('#root') as Element, createElement(App, { client, id, names }), { onRecoverableError: (error) => problems.push(String(error)) });
  },
  leave() {
    root?.unmount();
    root = null;
  },
  cursor(x: number, y: number) {
    presence?.setCursor({ x, y });
  },
  counted() {
    return { renders: { ...renders }, frames, events: [...events], problems: [...problems], presenceError: presence?.error == null ? null : String(presence.error) };
  },
};

export type Page = typeof page;
declare global {
  // eslint-disable-next-line no-var
  var page: Page;
}
globalThis.page = page;
