// A server for all tests of one `describe`, started before them and stopped after them.
import { afterAll, beforeAll } from 'vitest'
import { Server, type ServerOptions } from './server.ts'

/** Call while the tests are collected; the function it returns gives the server while they run. */
export function withServer(options: ServerOptions): () => Server {
  let server: Server | undefined
  beforeAll(async () => {
    server = await Server.start(options)
  })
  afterAll(() => server?.stop())
  return () => {
    if (server === undefined) throw new Error('the server has not started')
    return server
  }
}
