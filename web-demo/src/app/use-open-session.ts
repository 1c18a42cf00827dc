// Which session is open. Opening another one ends the subscription of the first.

import { useEffect, useState } from 'react';

import { forgetExpanded } from '../components/expansion';
import { keepSession } from '../session/credentials';
import type { Network } from '../session/network';
import { type OpenSession, openSession } from '../session/open-session';
import type { PageOptions } from '../session/page-options';

export function useOpenSession(id: string | null, token: string | null, network: Network, page: PageOptions): OpenSession | null {
  const [opened, setOpened] = useState<OpenSession | null>(null);
  useEffect(() => {
    if (id === null) return undefined;
    keepSession(id);
    forgetExpanded();
    const session = openSession(id, token, network, page);
    setOpened(session);
    return () => {
      session.stop();
      setOpened(null);
    };
  }, [id, token, network, page]);
  return opened;
}
