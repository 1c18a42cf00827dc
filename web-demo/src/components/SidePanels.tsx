// Everything known about the open session beside its events.

import type { Network } from '../session/network';
import type { OpenSession } from '../session/open-session';
import { AgentPanel } from './AgentPanel';
import { ConnectionLog } from './ConnectionLog';
import { FaultsPanel } from './FaultsPanel';
import { RejectedPanel } from './RejectedPanel';
import { StreamPanel } from './StreamPanel';

interface SidePanelsProps {
  readonly opened: OpenSession;
  readonly network: Network;
  readonly url: string;
  readonly token: string | null;
}

export function SidePanels({ opened, network, url, token }: SidePanelsProps) {
  return (
    <section className="side" aria-label="Agent and stream">
      <AgentPanel store={opened.store} />
      <div className="stream-panels">
        <StreamPanel store={opened.store} network={network} />
        <FaultsPanel network={network} url={url} token={token} session={opened.id} />
        <RejectedPanel store={opened.store} />
        <ConnectionLog store={opened.store} />
      </div>
    </section>
  );
}
