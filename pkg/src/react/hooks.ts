// The hooks. A component renders again at most once per frame, and only when what it selected has changed.

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

import type { CustomRecord, NoEvents } from '../custom-types.js';
import type { ChannelRecord, CursorPosition } from '../generated/types.js';
import { presenceOf } from '../presence.js';
import type { PresenceIdentity, SessionHandle } from '../session-types.js';
import type { SessionRecord } from '../types.js';
import type { ConnectionView, SessionListener, SessionSnapshot, SessionStore, UserView } from '../store/index.js';
import { useLink } from './context.js';

/**
 * The session's snapshot, or what `select` makes of it: the component renders again when that is no longer the same. With event
 * types of the client's own: `useSession(id, (snapshot: SessionSnapshot<typeof events.schemas>) => …)`.
 */
export function useSession(sessionId: string): SessionSnapshot;
export function useSession<T, E = NoEvents>(sessionId: string, select: (snapshot: SessionSnapshot<E>) => T, isEqual?: (a: T, b: T) => boolean): T;
export function useSession<T>(sessionId: string, select?: (snapshot: SessionSnapshot) => T, isEqual: (a: T, b: T) => boolean = Object.is): T {
  const link = useLink(sessionId);
  // Of the last render: a snapshot gives the same selection as long as neither it nor the selector is another.
  const last = useRef<{ snapshot: SessionSnapshot; select: typeof select; value: T } | null>(null);
  const pick = (snapshot: SessionSnapshot): T => {
    const before = last.current;
    if (before?.snapshot === snapshot && before.select === select) return before.value;
    const made = select === undefined ? (snapshot as T) : select(snapshot);
    const value = before !== null && isEqual(before.value, made) ? before.value : made;
    last.current = { snapshot, select, value };
    return value;
  };
  return useSyncExternalStore(
    link.subscribe,
    () => pick(link.getSnapshot()),
    () => pick(link.getServerSnapshot()),
  );
}

/** What can be done with a session's store. The same object from render to render; for effects and handlers. */
export interface SessionActions extends Pick<SessionStore, 'loadEarlier' | 'trim' | 'repairGaps' | 'reconnect' | 'getPlace'> {
  /** Sends an event; it is shown at once, marked as an echo, until the stream brings it. */
  readonly send: SessionHandle['send'];
  readonly sendAll: SessionHandle['sendAll'];
  /** Sends again what was given up. */
  readonly retry: (id: string) => void;
  /** Forgets what was given up. */
  readonly discard: (id: string) => void;
}

export function useSessionActions(sessionId: string): SessionActions {
  const link = useLink(sessionId);
  return useMemo(
    () => ({
      loadEarlier: () => link.store().loadEarlier(),
      trim: () => {
        link.store().trim();
      },
      repairGaps: () => {
        link.store().repairGaps();
      },
      reconnect: () => {
        link.store().reconnect();
      },
      getPlace: () => link.store().getPlace(),
      send: (event) => link.handle().send(event),
      sendAll: (events) => link.handle().sendAll(events),
      retry: (id) => {
        // A failure is told by the outbox again.
        link.handle().outbox.retry(id).catch(() => undefined);
      },
      discard: (id) => {
        link.handle().outbox.discard(id);
      },
    }),
    [link],
  );
}

/** Calls the members of `listener` for everything that happens from now on. It may be another object at each render. */
export function useSessionListener<E = NoEvents>(sessionId: string, listener: SessionListener<E>): void {
  const link = useLink(sessionId);
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(
    () =>
      link.store().listen({
        onEvent: (record) => latest.current.onEvent?.(record as SessionRecord),
        onError: (error) => latest.current.onError?.(error),
        onConnectionStateChange: (state, info) => latest.current.onConnectionStateChange?.(state, info),
        onConnectionLost: (info) => latest.current.onConnectionLost?.(info),
        onReconnect: () => latest.current.onReconnect?.(),
        onDisconnect: () => latest.current.onDisconnect?.(),
        onClosed: () => latest.current.onClosed?.(),
      }),
    [link],
  );
}

type Channel = ChannelRecord['channel'];

/** Calls `onEvent` with every event, or every one of a channel ('custom': event types of the client's own), from now on. It may be another function at each render. */
export function useSessionEvents<R extends CustomRecord = never>(sessionId: string, onEvent: (record: ChannelRecord | R) => void): void;
export function useSessionEvents<C extends Channel>(sessionId: string, channel: C, onEvent: (record: Extract<ChannelRecord, { channel: C }>) => void): void;
export function useSessionEvents(sessionId: string, channel: 'custom', onEvent: (record: CustomRecord) => void): void;
export function useSessionEvents(sessionId: string, first: Channel | 'custom' | ((record: ChannelRecord) => void), second?: (record: never) => void): void {
  const onEvent = (typeof first === 'string' ? second : first) as (record: ChannelRecord) => void;
  useSessionListener(sessionId, {
    onEvent: (record) => {
      if (typeof first !== 'string' || (record.channel as string) === first) onEvent(record);
    },
  });
}

export interface Presence {
  /** Everybody who is here. */
  readonly users: readonly UserView[];
  /** Says where this user points; rarely enough by itself. Without effect unless joined. */
  readonly setCursor: (position: CursorPosition, activeFile?: string) => void;
  /** Why joining or leaving failed, if it did. */
  readonly error: unknown;
}

/** Who is here. With `me`, this user joins for as long as the component is there. */
export function usePresence(sessionId: string, me?: PresenceIdentity | null): Presence {
  const link = useLink(sessionId);
  const users = useSession(sessionId, (snapshot) => snapshot.presence);
  const [error, setError] = useState<unknown>(null);
  const { userId, displayName, avatarUrl } = me ?? {};
  useEffect(() => {
    if (userId === undefined) return undefined;
    setError(null);
    let isHere = true;
    const leave = link.join({ userId, ...(displayName === undefined ? null : { displayName }), ...(avatarUrl === undefined ? null : { avatarUrl }) }, (failure) => {
      if (isHere) setError(failure);
    });
    return () => {
      isHere = false;
      leave();
    };
  }, [link, userId, displayName, avatarUrl]);
  const setCursor = useCallback(
    (position: CursorPosition, activeFile?: string) => {
      presenceOf(link.handle()).cursor(position, activeFile);
    },
    [link],
  );
  return useMemo(() => ({ users, setCursor, error }), [users, setCursor, error]);
}

export interface Connection extends ConnectionView {
  /** Connects anew, after 'lost' for example. */
  readonly reconnect: () => void;
}

/** How the connection of a session is doing. */
export function useConnection(sessionId: string): Connection {
  const view = useSession(sessionId, (snapshot) => snapshot.connection);
  const { reconnect } = useSessionActions(sessionId);
  return useMemo(() => ({ ...view, reconnect }), [view, reconnect]);
}
