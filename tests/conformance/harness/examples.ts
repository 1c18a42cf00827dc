// The curl examples of the documents, found and carried out as a reader would: copied into a shell, one document a shell.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { binary, repository } from './paths.ts'
import type { Server } from './server.ts'

/** Where documents are; folders are searched through. */
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'docs', 'pkg/README.md', 'web-demo/README.md']

/** The address that the documents use; it stands for the server's. */
const WRITTEN_ADDRESS = /http:\/\/(127\.0\.0\.1|localhost):4437/g

/** A script that runs longer hangs. */
const HUNG_MS = 60_000

export interface Examples {
  /** From the root of the repository. */
  document: string
  /** The blocks with curl in them, in order. */
  script: string
}

export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** Every document that has curl examples. */
export function examples(): Examples[] {
  return DOCUMENTS.flatMap((name) => markdownIn(join(repository, name))).flatMap((path) => {
    const script = shellBlocks(readFileSync(path, 'utf8')).filter((block) => /^\s*curl\s/m.test(block))
    return script.length === 0 ? [] : [{ document: relative(repository, path), script: script.join('\n') }]
  })
}

/** A refusal by the server ends the script with an error, and every answer ends with a line end. */
const CURL_SETTINGS = 'fail-with-body\nsilent\nshow-error\nwrite-out = "\\n"\n'

/** Runs a document's examples. */
export async function carryOut({ script }: Examples, server: Server): Promise<Run> {
  const home = mkdtempSync(join(tmpdir(), 'durable-sessions-examples-'))
  writeFileSync(join(home, '.curlrc'), CURL_SETTINGS)
  try {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script.replaceAll(WRITTEN_ADDRESS, server.url)], {
      cwd: home,
      env: {
        PATH: [dirname(binary), process.env['PATH'] ?? ''].join(delimiter),
        HOME: home,
        CURL_HOME: home,
        DURABLE_SESSIONS_URL: server.url,
        DURABLE_SESSIONS_TOKEN: server.token,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HUNG_MS,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { code, stdout, stderr }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function markdownIn(path: string): string[] {
  if (path.endsWith('.md')) return existsSync(path) ? [path] : []
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => join(path, name))
}

function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```$/gms)].map((block) => block[1] ?? '')
}
