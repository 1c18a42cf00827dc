// The page for administrators of the server: how it stands, its dead letters, its streams and who follows them.

import { useCallback, useRef, useSyncExternalStore } from 'react';

import { usePolled } from '../../app/use-polled';
import { readMetrics, readReadiness } from '../../session/admin-api';
import type { Api } from '../../session/envelope';
import { Looks } from '../../view/counters';
import { Exposition } from '../../view/exposition';
import { Icon } from '../Icon';
import { CountersPanel } from './CountersPanel';
import { DeadLettersPanel } from './DeadLettersPanel';
import { StreamsPanel } from './StreamsPanel';

const LOOK_PERIOD_MS = 2_000;

interface AdminPageProps {
  /** The same object as long as the caller is the same. */
  readonly api: Api;
  readonly onOpen: (session: string) => void;
  readonly onLeave: () => void;
  readonly onUnauthorized: (message: string) => void;
}

export function AdminPage({ api, onOpen, onLeave, onUnauthorized }: AdminPageProps) {
  const looks = useRef(new Looks());
  const isCut = useSyncExternalStore(api.network.subscribe, () => api.network.isCut);
  const look = useCallback(async () => {
    const [readiness, text] = await Promise.all([readReadiness(api), readMetrics(api)]);
    looks.current.add({ atMs: performance.now(), metrics: Exposition.parse(text) });
    return { readiness, counters: looks.current.counters, appendRates: looks.current.appendRates };
  }, [api]);
  const standing = usePolled(look, LOOK_PERIOD_MS, onUnauthorized);
  const readiness = standing.value?.readiness ?? null;
  return (
    <section className="admin" id="server" tabIndex={-1} aria-labelledby="admin-title" data-testid="admin">
      <header className="admin-head">
        <h2 id="admin-title">Server</h2>
        {readiness === null || standing.error !== null ? null : (
          <span className={`chip ${readiness.status === 'ready' ? 'chip-complete' : readiness.appends ? 'chip-paused' : 'chip-error'}`} data-testid="readiness">
            {[readiness.status, ...readiness.reasons].join(': ')}
          </span>
        )}
        <button type="button" onClick={onLeave} data-testid="leave-admin"><Icon name="close" /> Back to the session</button>
      </header>
      {isCut ? <p className="notice notice-bad" role="alert">The network is cut by the button on this page, so nothing here is up to date. <button type="button" onClick={() => api.network.restore()}>Restore network</button></p> : null}
      {standing.forbidden ? (
        <Forbidden message={standing.error ?? ''} onRetry={standing.refresh} />
      ) : (
        <>
          <CountersPanel counters={standing.value?.counters ?? null} appendRates={standing.value?.appendRates ?? []} error={isCut ? null : standing.error} />
          <DeadLettersPanel api={api} isCut={isCut} onUnauthorized={onUnauthorized} />
          <StreamsPanel api={api} isCut={isCut} onOpen={onOpen} onUnauthorized={onUnauthorized} />
        </>
      )}
    </section>
  );
}

function Forbidden({ message, onRetry }: { readonly message: string; readonly onRetry: () => void }) {
  return (
    <div className="panel" role="alert" data-testid="admin-forbidden">
      <p className="notice notice-bad"><Icon name="alert" /> The server refused: {message}</p>
      <p className="admin-hint">
        This page is for administrators of the whole server: the token of <code>--token</code>, or one with the scope <code>admin</code>, without a
        project and without session patterns. Sessions can be opened all the same.
      </p>
      <button type="button" onClick={onRetry}><Icon name="refresh" /> Ask again</button>
    </div>
  );
}
