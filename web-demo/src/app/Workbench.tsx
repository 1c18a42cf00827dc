// The page: sessions on the left, the open session in the middle, what is known about its stream on the right. On a
// narrow screen one of them at a time.

import { DurableSessionsProvider } from 'durable-sessions/react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { AdminPage } from '../components/admin/AdminPage';
import { forgetExpanded } from '../components/expansion';
import { Header } from '../components/Header';
import { HelpDialog } from '../components/HelpDialog';
import { SessionList } from '../components/SessionList';
import { type View, ViewTabs } from '../components/ViewTabs';
import type { VirtualListControl } from '../components/VirtualList';
import { makeClient } from '../session/client';
import { keepSession } from '../session/credentials';
import type { Visitor } from '../session/identity';
import type { Network } from '../session/network';
import type { PageOptions } from '../session/page-options';
import { useShortcutsEnabled, useTheme } from './preferences';
import { SessionView } from './SessionView';
import { type Shortcut, useShortcuts } from './shortcuts';
import { goTo, usePlace } from './use-place';
import { useSessions } from './use-sessions';

interface WorkbenchProps {
  readonly network: Network;
  readonly page: PageOptions;
  readonly token: string | null;
  readonly visitor: Visitor;
  readonly initialSession: string | null;
  readonly onUnauthorized: (message: string) => void;
  readonly onForgetToken: () => void;
}

export function Workbench({ network, page, token, visitor, initialSession, onUnauthorized, onForgetToken }: WorkbenchProps) {
  const [openId, setOpenId] = useState(initialSession);
  const [view, setView] = useState<View>('timeline');
  const [helpOpen, setHelpOpen] = useState(false);
  const [shortcutsEnabled, setShortcutsEnabled] = useShortcutsEnabled();
  const theme = useTheme();
  const place = usePlace();
  const api = useMemo(() => ({ network, base: page.url, token }), [network, page.url, token]);
  const sessions = useSessions(network, page.url, token, onUnauthorized);
  const client = useMemo(() => makeClient(token, network, page), [token, network, page]);
  const reconnect = useRef<(() => void) | null>(null);
  const timeline = useRef<VirtualListControl>(null);
  const filter = useRef<HTMLInputElement>(null);

  // Nobody chose yet: the newest session is what most people came for.
  useEffect(() => {
    const newest = sessions.rows?.[0];
    if (openId === null && newest !== undefined) setOpenId(newest.id);
  }, [openId, sessions.rows]);

  useEffect(() => {
    if (openId === null) return;
    keepSession(openId);
    forgetExpanded();
    network.resetBytes();
  }, [openId, network]);

  const show = (wanted: View) => {
    setView(wanted);
    goTo('session');
  };
  const open = useCallback((id: string) => {
    setOpenId(id);
    show('timeline');
  }, []);

  const shortcuts = useMemo<readonly Shortcut[]>(
    () => [
      { keys: ['j', 'k'], label: 'Next and previous entry of the timeline', run: (key) => timeline.current?.focusBy(key === 'j' ? 1 : -1) },
      { keys: ['g'], label: 'Jump to live', run: () => timeline.current?.toEnd() },
      { keys: ['/'], label: 'Filter sessions', run: () => { show('sessions'); requestAnimationFrame(() => filter.current?.focus()); } },
      { keys: ['x'], label: 'Cut or restore the network', run: () => (network.isCut ? network.restore() : network.cut()) },
      { keys: ['r'], label: 'Reconnect now', run: () => reconnect.current?.() },
      { keys: ['d'], label: 'Damage the next event', run: () => network.damageNextEvent() },
      { keys: ['s'], label: 'Server: counters, dead letters, streams; and back', run: () => goTo(window.location.hash === '#server' ? 'session' : 'server') },
      { keys: ['t'], label: 'Light or dark', run: theme.toggle },
      { keys: ['?'], label: 'This help', run: () => setHelpOpen(true) },
    ],
    [network, theme.toggle],
  );
  useShortcuts(shortcuts, shortcutsEnabled);

  const isServer = place === 'server';
  const title = isServer ? 'Server' : (sessions.rows?.find((row) => row.id === openId)?.title ?? openId);
  useEffect(() => {
    document.title = title === null ? 'Durable sessions' : `${title} · Durable sessions`;
  }, [title]);

  return (
    <DurableSessionsProvider client={client}>
    <div className="shell" data-view={view} data-place={place}>
      <a className="skip" href={isServer ? '#server' : '#main'}>{isServer ? 'Skip to the server' : 'Skip to the timeline'}</a>
      <Header title={title} id={isServer ? null : openId} place={place} onPlace={goTo} isDark={theme.isDark} onToggleTheme={theme.toggle} onHelp={() => setHelpOpen(true)} />
      <SessionList sessions={sessions} openId={openId} onOpen={open} filterRef={filter} />
      <main className="stage">
        {isServer ? <AdminPage api={api} onOpen={open} onLeave={() => goTo('session')} onUnauthorized={onUnauthorized} /> : null}
        {openId === null ? (
          <>
            <div className="main" id="main" tabIndex={-1}>
              <Welcome hasSessions={(sessions.rows?.length ?? 0) > 0} />
            </div>
            <div className="side" />
          </>
        ) : (
          <SessionView key={openId} session={openId} client={client} network={network} page={page} token={token} visitor={visitor} timeline={timeline} reconnect={reconnect} />
        )}
      </main>
      <ViewTabs view={isServer ? null : view} onView={show} />
      <HelpDialog
        isOpen={helpOpen}
        shortcuts={shortcuts}
        shortcutsEnabled={shortcutsEnabled}
        onShortcutsEnabled={setShortcutsEnabled}
        onFollowSystem={theme.followSystem}
        onForgetToken={onForgetToken}
        onClose={() => setHelpOpen(false)}
      />
    </div>
    </DurableSessionsProvider>
  );
}

function Welcome({ hasSessions }: { readonly hasSessions: boolean }) {
  return (
    <div className="welcome">
      <h2>{hasSessions ? 'Choose a session' : 'Waiting for the first session'}</h2>
      <p>{hasSessions ? 'Its events are read from the start, then followed live.' : 'This page opens it by itself as soon as it exists.'}</p>
    </div>
  );
}
