// What an agent, a tool, a terminal, a name or a title says is shown as text and does nothing: no script runs, nothing
// is asked of the server or of anybody else, and the content security policy is never even needed.
import { expect, test } from 'vitest'
import { until } from '../harness/condition.ts'
import { FirefoxPage } from './harness/firefox.ts'
import { DemoPage } from './harness/page.ts'
import type { Server } from './harness/server.ts'
import { closing, site } from './harness/world.ts'

/** Either browser's page. */
interface AnyPage {
  run<T>(body: string): Promise<T>
}

const RAN = '__ran'
/** Markup that would leave a trace if it were taken for that, with a word to find it by. */
const markup = (word: string): string =>
  `${word}<script>window.${RAN}.push("${word} script")</script><img src="/never-asked-for?${word}" onerror="window.${RAN}.push('${word} img')"><svg onload="window.${RAN}.push('${word} svg')"></svg>`
/** A hyperlink of a terminal, to a script and with a text to find it by. */
const hyperlink = (word: string): string => `\u001b]8;;javascript:window.${RAN}.push('${word} link')\u0007${word}\u001b]8;;\u001b\\`
const TITLE = '\u001b]0;title taken over\u0007'
/** Clipboard, cursor, screen, charset, device status, a string that never ends in its sequence. */
const ESCAPES = '\u001b]52;c;c3RvbGVu\u0007\u001b[2J\u001b[H\u001b[31;1m\u001b(0\u001b[6n\u001bPq\u001b\\'

type Event = { type: string; data: Record<string, unknown> }

/** One after the other, each with a word that must appear on the page. */
const EVENTS: readonly (readonly [word: string, event: Event])[] = [
  ['chunk-text', { type: 'chunk', data: { text: `${markup('chunk-text')} [a link](javascript:window.${RAN}.push('md'))\n\n`, messageId: 'm1' } }],
  ['chunk-code', { type: 'chunk', data: { text: `\`\`\`html\n${markup('chunk-code')}\n\`\`\`\n\n- **${markup('chunk-bold')}**`, messageId: 'm2' } }],
  ['tool-in', { type: 'tool:start', data: { id: 't1', tool: 'bash', input: { command: markup('tool-in') } } }],
  ['tool-out', { type: 'tool:result', data: { id: 't1', tool: 'bash', output: `${ESCAPES}${markup('tool-out')}${hyperlink('tool-link')}` } }],
  ['tool-object', { type: 'tool:result', data: { id: 't2', tool: markup('tool-name'), output: { html: markup('tool-object') }, isError: true } }],
  ['term-out', { type: 'terminal:output', data: { data: `${ESCAPES}${TITLE}${markup('term-out')} ${hyperlink('term-link')}\n` } }],
  ['term-error', { type: 'terminal:error', data: { data: `${markup('term-error')}\n` } }],
  ['term-in', { type: 'terminal:input', data: { data: `${markup('term-in')}\n` } }],
  ['name-shown', { type: 'presence:joined', data: { userId: markup('user-id').slice(0, 250), displayName: markup('name-shown'), avatarUrl: `javascript:window.${RAN}.push('avatar')`, activeFile: markup('file') } }],
  ['approval-title', { type: 'approval:requested', data: { taskId: 't', payload: { approvalId: 'a', title: markup('approval-title') } } }],
  ['plan-text', { type: 'agent:plan_ready', data: { agentId: 'a', runId: 'r', plan: markup('plan-text') } }],
  ['state-message', { type: 'state:update', data: { agentId: 'a', status: 'running', message: markup('state-message'), currentTool: markup('state-tool') } }],
  ['agent-error', { type: 'agent:error', data: { agentId: 'a', runId: 'r', error: markup('agent-error') } }],
  ['branch-name', { type: 'worktree:created', data: { payload: { branch: markup('branch-name') } } }],
  ['own-type', { type: 'x-own', data: { html: markup('own-type') } }],
]

async function titled(server: Server): Promise<void> {
  const body = JSON.stringify({ title: markup('session-title') })
  const changed = await server.request('/api/sessions/hostile', { method: 'PATCH', body })
  expect(changed.status, await changed.text()).toBe(200)
}

/** The same in any browser. */
async function check(server: Server, page: AnyPage): Promise<void> {
  await page.run(`window.${RAN} = []; window.__violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.__violations.push(event.violatedDirective + ' ' + event.blockedURI));`)
  const shows = (word: string) => until(`${word} is shown`, () => page.run<boolean>(`return document.body.textContent.includes(${JSON.stringify(word)})`))
  await shows('session-title<script>')
  for (const [index, [word, event]] of EVENTS.entries()) {
    const body = JSON.stringify({ id: `e${index}`, timestamp: 1_760_000_000_000 + index, ...event })
    const appended = await server.request('/v1/stream/sessions/hostile', { method: 'POST', body })
    expect(appended.status, `${word}: ${await appended.text()}`).toBe(204)
    // As it was written, tags and all.
    await shows(`${word}<script>`)
  }
  await shows('term-link')
  const found = await page.run<Record<string, unknown>>(`
    const all = [...document.querySelectorAll('*')];
    return {
      ran: window.${RAN},
      violations: window.__violations,
      title: document.title,
      scripts: all.filter((e) => e.localName === 'script' && new URL(e.src).origin !== location.origin).length
        + all.filter((e) => e.localName === 'script' && e.textContent !== '').length,
      images: all.filter((e) => e.localName === 'img' && !e.src.endsWith('/icon.svg')).length,
      handlers: all.flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith('on')),
      links: all.filter((e) => e.hasAttribute('href') || e.hasAttribute('xlink:href')).map((e) => e.getAttribute('href')).filter((href) => /script:/i.test(href ?? '')),
      escapes: [...document.querySelectorAll('.terminal, .tool')].filter((e) => e.textContent.includes('\\u001b')).length,
      asked: performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => name.includes('never-asked-for')),
    };`)
  expect(found).toEqual({
    ran: [], violations: [], title: expect.not.stringContaining('taken over'), scripts: 0, images: 0, handlers: [], links: [], escapes: 0, asked: [],
  })
  expect(found['title']).toContain('session-title<script>')

  // The proof can fail: markup that did get in is stopped by the policy, and that is seen.
  await page.run(`document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(markup('let-in'))})`)
  await until('the policy has stopped a handler', () => page.run<boolean>(`return window.__violations.some((seen) => seen.startsWith('script-src'))`))
  expect(await page.run(`return window.${RAN}`)).toEqual([])
}

test('hostile text does nothing in Chromium', async () => {
  const { server, address } = await site('hostile')
  await titled(server)
  const page = closing(await DemoPage.open(address))
  await until('the page is connected', async () => (await page.collected()).state === 'connected')
  await check(server, page)
  expect(page.console.filter((line) => line.startsWith('uncaught'))).toEqual([])
})

test('hostile text does nothing in Firefox', async () => {
  const { server, address } = await site('hostile')
  await titled(server)
  const page = closing(await FirefoxPage.open(address))
  await until('Firefox is connected', async () => (await page.collected()).state === 'connected')
  await check(server, page)
})
