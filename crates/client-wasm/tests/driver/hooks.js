// The facade's side of a connection, scripted: what the tests in `mod.rs` drive and look at.

const encoder = new TextEncoder();

/** Answers by number of the request; one too many is refused like a dead network. */
export class Script {
  constructor(answers) {
    this.answers = answers;
    this.urls = [];
    this.refreshed = [];
    this.notices = [];
    this.texts = [];
    this.words = [];
    this.aborted = 0;
    this.cancelled = 0;
    this.connection = null;
    this.memory = null;
    this.wake = (code, turn, value) => this.connection?.woken(code, turn, value);
  }

  async headers(refresh) {
    this.refreshed.push(refresh);
    return { authorization: 'Bearer x' };
  }

  async fetch(url, headers, signal) {
    this.urls.push(url);
    signal.addEventListener('abort', () => (this.aborted += 1));
    const answer = this.answers[this.urls.length - 1];
    if (answer === undefined) {
      throw new TypeError('refused');
    }
    if (typeof answer === 'number') {
      return new Response(null, { status: answer });
    }
    const bytes = encoder.encode(answer.body);
    let at = 0;
    const body = new ReadableStream({
      pull: (controller) => {
        if (at < bytes.length) {
          controller.enqueue(bytes.slice(at, at + answer.piece));
          at += answer.piece;
        } else if (!answer.open) {
          controller.close();
        }
      },
      cancel: () => {
        this.cancelled += 1;
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  batch(parts) {
    const { buffer } = this.memory;
    const [ascii, asciiLength, wide, wideLength, open, openLength, words, wordsLength] = new Uint32Array(buffer, parts, 8);
    const text = (from, length) => new TextDecoder().decode(new Uint8Array(buffer, from, length));
    this.texts.push(text(ascii, asciiLength), text(wide, wideLength), text(open, openLength));
    this.words.push(...new Int32Array(buffer, words, wordsLength));
  }

  notice([kind, word, cause, attempt]) {
    this.notices.push([kind, word, cause, attempt].filter((part) => part !== '' && part !== 0).join(' '));
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
  connection.close();
  target.connection = null;
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
  while (seen !== target.urls.length + target.notices.length) {
    seen = target.urls.length + target.notices.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
