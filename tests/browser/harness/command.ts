// The command-line client of the release binary.
import { spawn } from 'node:child_process'
import { binary } from './paths.ts'
import type { Server } from './server.ts'

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs `durable-sessions ARGUMENTS` against a server; the token travels in the environment. */
export function command(server: Server, ...args: string[]): Promise<Finished> {
  const child = spawn(binary, args, {
    env: { ...process.env, DURABLE_SESSIONS_URL: server.url, DURABLE_SESSIONS_TOKEN: server.token },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}
