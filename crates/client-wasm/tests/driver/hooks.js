// The facade's side of a connection, scripted: carries out what the machine wants on a network of canned answers.
// What the tests in `mod.rs` drive and look at.

const encoder = new TextEncoder();
const KINDS = ['open', 'abort', 'timer', 'state', 'retry', 'error', 'lost', 'reconnected', 'disconnected', 'closed'];
const STATES = ['disconnected', 'connecting', 'connected', 'reconnecting', 'lost', 'closed'];

/** Answers by number of the request; one too many is refused like a dead network. */
export class Script {
  constructor(answers) {
    this.answers = answers;
    this.queries = [];
    this.refreshed = [];
    this.notices = [];
    this.texts = [];
    this.words = [];
    this.aborted = 0;
    this.timers = {};
    this.turn = 0;
    this.connection = null;
    this.memory = null;
  }

  now() {
    return Date.now();
  }

  batch(parts) {
    const { buffer } = this.memory;
    const [ascii, asciiLength, wide, wideLength, open, openLength, late, lateLength, words, wordsLength] = new Uint32Array(buffer, parts, 10);
    const text = (from, length, encoding) => new TextDecoder(encoding).decode(new Uint8Array(buffer, from, length));
    this.texts.push(text(ascii, asciiLength), text(wide, wideLength, 'utf-16le'), text(open, openLength), text(late, lateLength));
    this.words.push(...new Int32Array(buffer, words, wordsLength));
  }

  notice([[number, word, cause, attempt, delay, status], offset, echo]) {
    const kind = KINDS[number];
    switch (kind) {
      case 'open':
        this.turn += 1;
        this.queries.push(`${echo}${offset}`);
        this.refreshed.push(word === 1);
        void this.request(this.turn, this.answers[this.queries.length - 1]);
        break;
      case 'abort':
        this.turn += 1;
        this.aborted += 1;
        break;
      case 'timer':
        clearTimeout(this.timers[word]);
        if (delay >= 0) {
          this.timers[word] = setTimeout(() => this.connection?.signal(word), Math.min(delay, 2 ** 31 - 1));
        }
        break;
      default:
        this.notices.push([kind, kind === 'state' ? STATES[word] : word, cause, attempt, status].filter((part) => part !== 0).join(' '));
    }
  }

  async request(turn, answer) {
    // Nothing is answered within the call that asked.
    await Promise.resolve();
    const over = () => turn !== this.turn || this.connection === null;
    if (over()) {
      return;
    }
    if (answer === undefined) {
      this.turn += 1;
      this.connection.failed(false, 'refused');
      return;
    }
    if (typeof answer === 'number') {
      this.connection.answered(new Response(null, { status: answer }));
      return;
    }
    this.connection.answered(new Response(null, { headers: { 'content-type': 'text/event-stream' } }));
    const bytes = encoder.encode(answer.body);
    for (let at = 0; at < bytes.length && !over(); at += answer.piece) {
      this.connection.receive(bytes.slice(at, at + answer.piece));
      await Promise.resolve();
    }
    if (!answer.open && !over()) {
      this.turn += 1;
      this.connection.signal(4);
    }
  }

  values() {
    return this.texts.filter((text) => text !== '').join(' ');
  }

  states() {
    return this.notices.filter((notice) => notice.startsWith('state')).join(',');
  }

  count(prefix) {
    return this.notices.filter((notice) => notice.startsWith(prefix)).length;
  }
}

export function script(answers) {
  return new Script(JSON.parse(answers));
}

/** Hands the connection over, the way the facade holds it. */
export function attach(target, connection, memory) {
  target.connection = connection;
  target.memory = memory;
}

/** Ends the connection the way the facade does: what settles later finds none. */
export function release(target) {
  const { connection } = target;
  connection.signal(9);
  target.connection = null;
  Object.values(target.timers).forEach(clearTimeout);
  connection.free();
}

export async function until(condition) {
  for (const deadline = Date.now() + 5_000; !condition(); ) {
    if (Date.now() > deadline) {
      throw new Error('waited in vain');
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets everything that is under way happen. */
export async function quiet(target) {
  let seen = -1;
  while (seen !== target.queries.length + target.notices.length) {
    seen = target.queries.length + target.notices.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
