// The open session: its timeline and terminal in the middle, what is known about its stream on the right.

import type { DurableStreamsClient } from 'durable-sessions';
import { useConnection } from 'durable-sessions/react';
import { type RefObject, useEffect, useRef, useSyncExternalStore } from 'react';

import { ApprovalBar } from '../components/Approvals';
import { ConnectionBanner } from '../components/ConnectionStatus';
import { CursorLayer } from '../components/Cursors';
import { SidePanels } from '../components/SidePanels';
import { TerminalPane } from '../components/TerminalPane';
import { Timeline } from '../components/Timeline';
import type { VirtualListControl } from '../components/VirtualList';
import type { Visitor } from '../session/identity';
import type { Network } from '../session/network';
import type { PageOptions } from '../session/page-options';
import { useMonitor } from './use-monitor';

interface SessionViewProps {
  readonly session: string;
  readonly client: DurableStreamsClient;
  readonly network: Network;
  readonly page: PageOptions;
  readonly token: string | null;
  readonly visitor: Visitor;
  readonly timeline: RefObject<VirtualListControl | null>;
  /** Where the shortcut finds the way to reconnect. */
  readonly reconnect: RefObject<(() => void) | null>;
}

export function SessionView({ session, client, network, page, token, visitor, timeline, reconnect }: SessionViewProps) {
  // One handle until somebody closes it, which this page does not.
  const handle = client.session(session);
  const monitor = useMonitor(session, handle, page.observe);
  const connection = useConnection(session);
  const isCut = useSyncExternalStore(network.subscribe, () => network.isCut);
  const me = useSyncExternalStore(visitor.subscribe, visitor.getSnapshot);
  const main = useRef<HTMLDivElement>(null);
  useEffect(() => {
    reconnect.current = connection.reconnect;
    return () => {
      reconnect.current = null;
    };
  }, [reconnect, connection.reconnect]);
  return (
    <>
      <div className="main" id="main" tabIndex={-1} ref={main}>
        <ConnectionBanner session={session} isCut={isCut} onRestore={() => network.restore()} />
        <Timeline session={session} me={me} control={timeline} />
        <ApprovalBar session={session} me={me} />
        <TerminalPane session={session} />
        <CursorLayer session={session} me={me} join={page.join} area={main} />
      </div>
      <SidePanels session={session} outbox={handle.outbox} monitor={monitor} network={network} url={page.url} token={token} visitor={visitor} />
    </>
  );
}
