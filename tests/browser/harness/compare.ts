// What was appended against what arrived.
import { expect } from 'vitest'
import type { ReceivedEvent } from './page.ts'

/** The events of a recording: every line but the header. */
export function recordedEvents(recorded: string): Record<string, unknown>[] {
  const lines = recorded.trim().split('\n').slice(1)
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** What an event says, without the ids that each replay draws anew. */
export function content(event: Record<string, unknown>): unknown {
  const own = new Set(['id', 'messageId', 'runId'])
  const data = Object.entries(event['data'] as object).filter(([name]) => !own.has(name))
  return { type: event['type'], data: Object.fromEntries(data) }
}

/** A record carries all of its event's payload, its id, type and time, and stands at its place. */
export function expectSame(received: ReceivedEvent[], stored: Record<string, unknown>[]): void {
  expect(received.map((event) => event.offset)).toEqual(stored.map((_, index) => index + 1))
  for (const [index, event] of received.entries()) {
    const wire = stored[index] as { id: string; type: string; timestamp: number; data: Record<string, unknown> }
    expect({ ...event, data: undefined }, `event ${index}`).toMatchObject({ id: wire.id, type: wire.type })
    expect(event.data, `payload of event ${index} (${wire.type})`).toMatchObject({ ...wire.data, timestamp: wire.timestamp })
  }
}
