// What every place does with the client: follows the run's session to its end and reports what it saw.
export async function watch(DurableStreamsClient, { site, run, place }) {
  const report = (what, value) => fetch(`${site}/report`, { method: 'POST', body: JSON.stringify({ run, place, what, value }) });
  try {
    const { url, token, session } = await (await fetch(`${site}/settings?run=${run}`)).json();
    const seen = [];
    await new Promise((resolve, reject) => {
      new DurableStreamsClient({ url, token }).subscribeToSession(session, {
        onChunk: ({ data }) => {
          seen.push(data.text);
          if (seen.length === 2) {
            void report('history');
          }
        },
        onClosed: () => {
          seen.push('closed');
          resolve();
        },
        onError: reject,
      });
    });
    await report('result', seen);
    return seen;
  } catch (error) {
    await report('failure', String(error?.stack ?? error));
    throw error;
  }
}
