// An application's code as it was written against the hand-written client. The test changes the import and adds
// `await init()`, nothing else; so nothing here may be rewritten to suit a newer version.
import { DurableStreamsClient, getDurableStreamsClient, subscribeToAgent, type ReconnectConfig, type SessionWithPresence, type Subscription } from './durable-streams-client.js';

interface ToolRow {
  id: string;
  name: string;
  status: 'pending' | 'running' | 'complete' | 'error';
  output: unknown;
}

const impatient: Partial<ReconnectConfig> = { initialDelay: 10, maxDelay: 50, maxAttempts: 3, jitter: false };

class SessionPanel {
  text = '';
  readonly tools = new Map<string, ToolRow>();
  readonly present = new Set<string>();
  readonly terminal: string[] = [];
  readonly approvals: string[] = [];
  readonly agentLog: string[] = [];
  agentStatus = 'idle';
  banner = '';
  seen = 0;
  private subscription: Subscription | null = null;

  constructor(private readonly client: DurableStreamsClient) {}

  open(sessionId: string, done: () => void): void {
    this.subscription = this.client.subscribeToSession(sessionId, {
      onChunk: (event) => {
        this.text += event.data.text;
      },
      onToolCall: (event) => {
        const { id, tool, status, output } = event.data;
        const row: ToolRow = { id, name: tool, status, output };
        this.tools.set(id, row);
      },
      onPresence: ({ data }) => {
        if (data.action === 'left' || data.action === 'timeout') {
          this.present.delete(data.userId);
        } else {
          this.present.add(data.displayName ?? data.userId);
        }
      },
      onTerminal: (event) => this.terminal.push(`${event.data.type}: ${event.data.data}`),
      onWorkflow: (event) => {
        if (event.data.type === 'approval:requested') {
          this.approvals.push(event.data.taskId ?? 'unknown task');
        }
      },
      onAgentState: (event) => {
        this.agentStatus = event.data.status;
      },
      onAgentEvent: (event) => {
        switch (event.data.type) {
          case 'agent:turn':
            this.agentLog.push(`turn ${event.data.turn} of ${event.data.maxTurns ?? '?'}`);
            break;
          case 'agent:error':
            this.agentLog.push(event.data.error);
            break;
          default:
            this.agentLog.push(event.type);
        }
      },
      onEvent: (event: any) => {
        this.seen = Math.max(this.seen, event.offset);
      },
      onError: (error) => {
        this.banner = error instanceof Error ? error.message : String(error);
        if (this.subscription?.getState() === 'disconnected') {
          done();
        }
      },
      onReconnect: () => {
        this.banner = '';
      },
      onDisconnect: () => {
        this.banner = 'offline';
        done();
      },
    });
  }

  get lastOffset(): number {
    return this.subscription?.getLastOffset() ?? 0;
  }

  close(): void {
    this.subscription?.unsubscribe();
    this.subscription = null;
  }
}

function title(session: SessionWithPresence): string {
  return session.status === 'closed' ? `${session.title ?? session.id} (ended)` : (session.title ?? session.id);
}

const settled = (ready: () => boolean) =>
  new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (ready()) {
        clearInterval(timer);
        resolve();
      }
    }, 5);
  });

const panel = new SessionPanel(new DurableStreamsClient({ url: process.argv[2] as string, reconnect: impatient }));
let over = false;
panel.open('session-1', () => {
  over = true;
});
await settled(() => over || panel.seen === 9);
const { lastOffset } = panel;
panel.close();

// The client that the whole page shares.
const agentStates: string[] = [];
const agentSteps: string[] = [];
const shared = getDurableStreamsClient().subscribeToAgent('agent-1', {
  onState: (event) => agentStates.push(event.data.status),
  onStep: (event) => agentSteps.push(event.type),
  onError: (error) => console.error(error.message),
  onReconnect: () => agentSteps.push('again'),
});
const sharedToo = subscribeToAgent('agent-1', { onState: () => undefined, onStep: () => undefined });
await settled(() => agentSteps.length > 0);
shared.unsubscribe();
sharedToo.unsubscribe();

const { text, tools, present, terminal, approvals, agentLog, agentStatus, banner } = panel;
console.log(
  JSON.stringify({ text, tools: [...tools.values()], present: [...present], terminal, approvals, agentLog, agentStatus, banner, lastOffset, agentStates, agentSteps, title: typeof title }),
);
