// One server, one link to it and one page on a session of its own, all gone when the test is over.
import { afterEach, expect } from 'vitest'
import { until } from './condition.ts'
import { Link } from './link.ts'
import { DemoPage } from './page.ts'
import { Server } from './server.ts'

export interface World {
  server: Server
  link: Link
  page: DemoPage
}

let open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const thing of open.reverse()) await thing.close()
  open = []
})

/** Starts a server, creates the session, opens the page on it through a link that can be cut. */
export async function world(session: string, query = ''): Promise<World> {
  const server = await Server.start()
  open.push({ close: () => server.stop() })
  const link = await Link.to(server.port)
  open.push(link)
  const created = await server.request(`/v1/stream/sessions/${session}`, { method: 'PUT' })
  expect(created.status).toBe(201)
  const page = await DemoPage.open(`${link.url}/?e2e=1${query}#token=${server.token}&session=${session}`)
  open.push(page)
  await until('the page is connected', async () => (await page.collected()).state === 'connected')
  return { server, link, page }
}
