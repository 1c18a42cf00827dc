// The command-line client of the release binary.
import { spawn } from 'node:child_process'
import { binary } from './paths.ts'
import type { Server } from './server.ts'

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** A command on its way, which can be held and let go on. */
export interface Running {
  readonly finished: Promise<Finished>
  /** Whether it has not ended yet. */
  isRunning(): boolean
  hold(): void
  goOn(): void
}

/** Runs `durable-sessions ARGUMENTS` against a server until it ends. */
export function command(server: Server, ...args: string[]): Promise<Finished> {
  return start(server, ...args).finished
}

/** Starts `durable-sessions ARGUMENTS` against a server; the token travels in the environment. */
export function start(server: Server, ...args: string[]): Running {
  const child = spawn(binary, args, {
    env: { ...process.env, DURABLE_SESSIONS_URL: server.url, DURABLE_SESSIONS_TOKEN: server.token },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  return {
    finished,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    hold: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
  }
}
