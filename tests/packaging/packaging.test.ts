// The packed tarball, installed into fresh projects and used against the real server.
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrowserName, hasWebKit, inBrowser } from './harness/browser.ts'
import { until } from '../harness/condition.ts'
import { Project } from './harness/project.ts'
import { Server } from './harness/server.ts'
import { ALL, Site } from './harness/site.ts'

const BROWSERS = ['Chromium', 'Firefox'] as const

let server: Server
let site: Site

beforeAll(async () => {
  server = await Server.start()
  site = await Site.start(server)
})

afterAll(async () => {
  await site?.stop()
  await server?.stop()
})

/** Opens a page of the site, and expects that each place saw everything. */
async function expectEverything(browser: BrowserName, path: string, places: readonly string[], origin = site.url): Promise<void> {
  const seen = await site.run({
    places,
    open: (home, run, done) => inBrowser(browser, `${origin}/${path}?${new URLSearchParams({ site: home, run, places: places.join() })}`, done),
  })
  expect(seen).toEqual(Object.fromEntries(places.map((place) => [place, ALL])))
}

const wasmFiles = (directory: string): string[] =>
  readdirSync(directory, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.wasm'))

describe('Node', () => {
  let project: Project
  beforeAll(async () => {
    project = await Project.create('node')
  })

  test.each(['main', 'inline', 'slim'])('reads a session through the entry %s', async (place) => {
    const seen = await site.run({
      places: [place],
      open: async (home, run, done) => {
        await Promise.all([project.node(`${place}.js`, home, run), done()])
      },
    })
    expect(seen).toEqual({ [place]: ALL })
  })

  test('does nothing when it is only imported', async () => {
    expect(JSON.parse(await project.node('import-only.js'))).toEqual({ asked: [], resources: [], globals: 0 })
  })
})

describe('Vite', () => {
  beforeAll(async () => {
    const project = await Project.create('vite')
    await project.node(project.tool('vite/bin/vite.js'), 'build', '--logLevel', 'warn')
    expect(wasmFiles(join(project.dir, 'dist'))).toHaveLength(1)
  })

  test.each(BROWSERS)('in %s: a page and a worker, under a strict policy with trusted types', async (browser) => {
    await expectEverything(browser, 'vite/dist/index.html', ['page', 'worker'])
  })
})

describe('webpack', () => {
  beforeAll(async () => {
    const project = await Project.create('webpack')
    await project.node('build.js')
    expect(wasmFiles(join(project.dir, 'dist'))).toHaveLength(1)
  })

  test.each(BROWSERS)('in %s: a page and a worker, under a strict policy with trusted types', async (browser) => {
    await expectEverything(browser, 'webpack/index.html', ['page', 'worker'])
  })
})

describe('esbuild', () => {
  beforeAll(async () => {
    const project = await Project.create('esbuild')
    await project.node('build.js')
    // The workers have it in their text.
    expect(wasmFiles(join(project.dir, 'dist'))).toHaveLength(1)
    expect(readFileSync(join(project.dir, 'dist/service-worker.js'), 'utf8')).not.toMatch(/^import\b|\bexport\b/m)
  })

  test.each(BROWSERS)('in %s: a page by the slim entry, classic workers by the inline one', async (browser) => {
    await expectEverything(browser, 'esbuild/index.html', ['page', 'worker', 'service worker'])
  })
})

describe('no bundler', () => {
  beforeAll(async () => {
    await Project.create('plain')
  })

  test('in Chromium: modules as they are installed, in a page, a worker and a service worker', async () => {
    await expectEverything('Chromium', 'plain/index.html', ['page', 'worker', 'service worker'])
  })

  test.skipIf(!hasWebKit)('in WebKitGTK, where it is installed: modules as they are installed, in a page, a worker and a service worker', async () => {
    await expectEverything('WebKitGTK', 'plain/index.html', ['page', 'worker', 'service worker'])
  })

  // Its long-term version has no service workers that are modules.
  test('in Firefox: modules as they are installed, in a page and a worker', async () => {
    await expectEverything('Firefox', 'plain/index.html', ['page', 'worker'])
  })
})

describe('Next.js', () => {
  let address = ''
  let stop: () => Promise<void> = async () => undefined

  beforeAll(async () => {
    const project = await Project.create('next')
    const next = project.tool('next/dist/bin/next')
    await project.node(next, 'build')
    const child = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', '0'], {
      cwd: project.dir,
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', CONNECT_SRC: `${site.url} ${server.url}`, REPORT_URI: site.violationUrl },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const output of [child.stdout, child.stderr]) output.on('data', (text: Buffer) => (said += text.toString()))
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const kill = () => void child.kill('SIGKILL')
    process.once('exit', kill)
    stop = async () => {
      kill()
      await ended
      process.off('exit', kill)
    }
    await until('Next.js answers', async () => {
      if (child.exitCode !== null) throw new Error(`next start ended:\n${said}`)
      address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? ''
      return address !== '' && (await fetch(address)).ok
    })
  })

  afterAll(() => stop())

  test('imports it on the server, where there is no page', async () => {
    expect(await (await fetch(address)).text()).toContain('rendered with a client')
  })

  test('reads a session in a route handler', async () => {
    const seen = await site.run({
      places: ['route'],
      open: async (home, run, done) => {
        const [answer] = await Promise.all([fetch(`${address}/api/read?${new URLSearchParams({ site: home, run })}`), done()])
        expect(await answer.json()).toEqual(ALL)
      },
    })
    expect(seen).toEqual({ route: ALL })
  })

  test('has a nonce on every script, another one in every answer', async () => {
    const nonces = await Promise.all(
      ['', 'trusted'].map(async (path) => {
        const answer = await fetch(`${address}/${path}`)
        const policy = answer.headers.get('content-security-policy') ?? ''
        const scripts = (await answer.text()).match(/<script\b[^>]*>/g) ?? []
        const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
        expect(policy).toContain(`script-src 'self' 'wasm-unsafe-eval' 'nonce-${nonce}';`)
        expect(scripts.length).toBeGreaterThan(1)
        expect(scripts.filter((script) => !script.includes(`nonce="${nonce}"`))).toEqual([])
        return nonce
      }),
    )
    expect(new Set(nonces).size).toBe(2)
  })

  test.each(BROWSERS)('shows a session in a page in %s, under a policy with a nonce that nothing breaks', async (browser) => {
    site.violations.length = 0
    await expectEverything(browser, '', ['page'], address)
    expect(site.violations).toEqual([])
  })

  test.each(BROWSERS)('shows a session in a page in %s, under the same policy with trusted types', async (browser) => {
    site.violations.length = 0
    await expectEverything(browser, 'trusted', ['page'], address)
    expect(site.violations).toEqual([])
  })
})
