// One server and one link to it, and a page on a session of its own, all gone when the test is over.
import { afterEach, expect } from 'vitest'
import { until } from '../../harness/condition.ts'
import { Link } from './link.ts'
import { DemoPage } from './page.ts'
import { Server } from './server.ts'

export interface Site {
  server: Server
  link: Link
  /** Where a page opens on the session. */
  address: string
}

let open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const thing of open.reverse()) await thing.close()
  open = []
})

/** Has it closed at the end of the test, after whatever was opened later. */
export function closing<T extends { close(): Promise<void> }>(thing: T): T {
  open.push(thing)
  return thing
}

/** Starts a server behind a link that can be cut, and creates the session. */
export async function site(session: string, query = ''): Promise<Site> {
  const server = await Server.start()
  closing({ close: () => server.stop() })
  const link = closing(await Link.to(server.port))
  const created = await server.request(`/v1/stream/sessions/${session}`, { method: 'PUT' })
  expect(created.status).toBe(201)
  return { server, link, address: `${link.url}/?e2e=1${query}#token=${server.token}&session=${session}` }
}

/** The same with a page in Chromium, connected. */
export async function world(session: string, query = ''): Promise<Site & { page: DemoPage }> {
  const at = await site(session, query)
  const page = closing(await DemoPage.open(at.address))
  await until('the page is connected', async () => (await page.collected()).state === 'connected')
  return { ...at, page }
}
