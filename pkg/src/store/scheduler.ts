// When a snapshot is made: on the next animation frame, or on a timer where frames stand still. Must not know what runs.

/** Injected by tests and by hosts with a clock of their own. */
export interface FrameScheduler {
  /** Runs `task` once, soon; returns a function that takes it back. */
  schedule(task: () => void): () => void;
  /** Milliseconds, for what the snapshot says about time. */
  now(): number;
}

/** A frame that has not come after this long is not coming: the tab went to the background while it was awaited. */
const FRAME_LATE_MS = 250;
/** Without frames (Node, some workers): about one of a display's. */
const FRAMELESS_MS = 16;

/** Animation frames while the page is visible; in a hidden tab a timer, which browsers slow down but do not stop. */
export const frameScheduler: FrameScheduler = {
  schedule: (task) => {
    const { requestAnimationFrame: request, cancelAnimationFrame: cancel, document } = globalThis as Partial<typeof globalThis>;
    if (request === undefined || cancel === undefined || document?.visibilityState === 'hidden') {
      const timer = setTimeout(task, FRAMELESS_MS);
      return () => {
        clearTimeout(timer);
      };
    }
    let frame = 0;
    const late = setTimeout(() => {
      cancel(frame);
      task();
    }, FRAME_LATE_MS);
    frame = request(() => {
      clearTimeout(late);
      task();
    });
    return () => {
      clearTimeout(late);
      cancel(frame);
    };
  },
  now: () => Date.now(),
};
