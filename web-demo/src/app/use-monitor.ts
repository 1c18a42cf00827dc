// Feeds the monitor of the open session, and the window of the end-to-end tests, with what the session's store hears.

import type { SessionHandle } from 'durable-sessions';
import { useSessionListener } from 'durable-sessions/react';
import { useEffect, useMemo } from 'react';

import { Observer } from '../session/observed';
import { Monitor } from '../view/monitor';

/** One monitor per session. Mounted before anything is read, so that it misses nothing. */
export function useMonitor(session: string, handle: SessionHandle, observe: boolean): Monitor {
  const { monitor, observer } = useMemo(() => ({ monitor: new Monitor(), observer: observe ? new Observer(session) : null }), [session, observe]);
  useSessionListener(session, {
    onEvent: (record) => {
      monitor.event(record);
      observer?.record(record, record.cursor);
    },
    onError: (error) => {
      monitor.error(error);
      observer?.error(error);
    },
    onConnectionStateChange: (state, info) => {
      monitor.moved(state, info);
      observer?.moved(state);
    },
    onClosed: () => monitor.note('The stream is closed: every event has been delivered'),
  });
  useEffect(() => handle.onDeadLetter((letter) => monitor.gaveUp(letter)), [handle, monitor]);
  return monitor;
}
