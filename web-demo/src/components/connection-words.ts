// The connection state in words, once for the eye and once for the ear.

import type { ConnectionSnapshot } from '../store/connection';

export function shortState(connection: ConnectionSnapshot, nowMs: number): string {
  switch (connection.word) {
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
export function spokenState(connection: ConnectionSnapshot): string {
  if (connection.word === 'reconnecting') return `Reconnecting${attemptText(connection)}`;
  if (connection.word === 'lost') return `Connection lost. ${connection.lostReason ?? ''}`;
  return shortState(connection, 0);
}

export function attemptText({ attempt, maxAttempts }: ConnectionSnapshot): string {
  if (attempt <= 0) return '';
  return maxAttempts === null ? `, attempt ${attempt}` : `, attempt ${attempt} of ${maxAttempts}`;
}

export function countdown({ nextAttemptAt }: ConnectionSnapshot, nowMs: number): string {
  if (nextAttemptAt === null) return '';
  const seconds = Math.ceil((nextAttemptAt - nowMs) / 1_000);
  return seconds <= 0 ? ', now' : `, next in ${seconds} s`;
}

/** A cause as the client words it, made into a sentence. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? '' : '.'}`;
}
