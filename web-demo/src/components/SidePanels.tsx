// Everything known about the open session beside its events.

import type { Outbox } from 'durable-sessions';

import type { Visitor } from '../session/identity';
import type { Network } from '../session/network';
import type { Monitor } from '../view/monitor';
import { AgentPanel } from './AgentPanel';
import { ConnectionLog } from './ConnectionLog';
import { FaultsPanel } from './FaultsPanel';
import { OutboxPanel } from './OutboxPanel';
import { PresencePanel } from './PresencePanel';
import { RejectedPanel } from './RejectedPanel';
import { StreamPanel } from './StreamPanel';

interface SidePanelsProps {
  readonly session: string;
  readonly outbox: Outbox;
  readonly monitor: Monitor;
  readonly network: Network;
  readonly url: string;
  readonly token: string | null;
  readonly visitor: Visitor;
}

export function SidePanels({ session, outbox, monitor, network, url, token, visitor }: SidePanelsProps) {
  return (
    <section className="side" aria-label="Agent and stream">
      <AgentPanel session={session} />
      <PresencePanel session={session} visitor={visitor} />
      <div className="stream-panels">
        <StreamPanel session={session} monitor={monitor} network={network} />
        <OutboxPanel outbox={outbox} monitor={monitor} />
        <FaultsPanel network={network} url={url} token={token} session={session} />
        <RejectedPanel monitor={monitor} />
        <ConnectionLog monitor={monitor} />
      </div>
    </section>
  );
}
