// The connection state in words, once for the eye and once for the ear.

import type { ConnectionLostInfo } from 'durable-sessions';
import type { ConnectionView } from 'durable-sessions/store';

export function shortState(connection: ConnectionView, nowMs: number): string {
  switch (connection.state) {
    case 'reconnecting':
      return `Reconnecting${attemptText(connection)}${countdown(connection, nowMs)}`;
    case 'connecting':
      return 'Connecting…';
    case 'connected':
      return 'Connected';
    case 'lost':
      return 'Connection lost';
    case 'closed':
      return 'Stream closed';
    case 'disconnected':
      return 'Disconnected';
  }
}

/** For the live region: no countdown, or a screen reader would speak every second. */
export function spokenState(connection: ConnectionView): string {
  if (connection.state === 'reconnecting') return `Reconnecting${attemptText(connection)}`;
  if (connection.state === 'lost') return `Connection lost. ${connection.lost === null ? '' : lostReason(connection.lost)}`;
  return shortState(connection, 0);
}

export function attemptText({ info }: Pick<ConnectionView, 'info'>): string {
  if (info === null || info.attempt <= 0) return '';
  return `, attempt ${info.attempt} of ${info.maxAttempts}`;
}

export function countdown({ nextAttemptAt }: Pick<ConnectionView, 'nextAttemptAt'>, nowMs: number): string {
  if (nextAttemptAt === null) return '';
  const seconds = Math.ceil((nextAttemptAt - nowMs) / 1_000);
  return seconds <= 0 ? ', now' : `, next in ${seconds} s`;
}

/** A cause as the client words it, made into a sentence. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? '' : '.'}`;
}

const FATAL: Readonly<Record<string, string>> = {
  SESSION_NOT_FOUND: 'There is no such session on this server.',
  UNAUTHORIZED: 'The server refused the access token.',
  FORBIDDEN: 'This token gives no right to read the session.',
};

export function lostReason({ cause, code, attempts }: ConnectionLostInfo): string {
  const fatal = FATAL[code];
  if (fatal !== undefined) return fatal;
  const gaveUp = attempts > 1 ? `Gave up after ${attempts} attempts` : 'Gave up at once';
  // The general code says no more than the sentence does.
  return `${sentence(cause)} ${code === 'CONNECTION_LOST' ? `${gaveUp}.` : `${gaveUp} (${code}).`}`;
}
