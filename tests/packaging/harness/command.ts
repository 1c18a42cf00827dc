// Runs a program to its end. Must not know what for.
import { spawn } from 'node:child_process'

export interface CommandOptions {
  cwd: string
  env?: Record<string, string>
}

/** What it wrote to stdout; what it wrote at all is in the error, when it failed. */
export function command(program: string, args: readonly string[], { cwd, env = {} }: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let all = ''
    child.stdout.on('data', (text: Buffer) => {
      out += text.toString()
      all += text.toString()
    })
    child.stderr.on('data', (text: Buffer) => (all += text.toString()))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(out)
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}:\n${all.slice(-8000)}`))
    })
  })
}
