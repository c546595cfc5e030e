/**
 * Desk: where questions why a Pod is not placed meet the scheduler that knows.
 *
 * A scheduler in this process is asked directly; one in another process comes for its questions and brings the
 * answers. Nothing is kept: a question that nobody answers in time is dropped. The questions of each scheduler, and
 * the schedulers, are bounded.
 */
import type {
  ExplainedPod,
  ExplainPod,
  SchedulingExplanation,
  SchedulingQuestion,
} from "../../machinery/objects/scheduling.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";

export interface SchedulingDesk {
  /** A scheduler of this process; the result takes it back. */
  offer(scheduler: string, explain: ExplainPod): () => void;
  /** Undefined: there is no such scheduler here, or it knows nothing of the Pod. */
  ask(scheduler: string, pod: ExplainedPod): Promise<SchedulingExplanation | undefined>;
  /** The next question for a scheduler elsewhere; undefined when there was none for a while. */
  next(scheduler: string, signal: AbortSignal): Promise<SchedulingQuestion | undefined>;
  answer(id: string, explanation: SchedulingExplanation | undefined): void;
}

interface Pending {
  readonly question: SchedulingQuestion;
  settle(explanation: SchedulingExplanation | undefined): void;
}

interface Line {
  readonly waiting: Pending[];
  /** Wakes whoever came for the next question. */
  wake: (() => void) | undefined;
  /** When somebody last came for one. */
  seen: number;
}

export function createSchedulingDesk(clock: Clock): SchedulingDesk {
  const here = new Map<string, ExplainPod>();
  const lines = new Map<string, Line>();
  const pending = new Map<string, Pending>();

  function lineOf(scheduler: string): Line {
    const known = lines.get(scheduler);
    if (known) return known;
    if (lines.size >= limits.askedSchedulers) lines.delete([...lines.keys()][0] as string);
    const line: Line = { waiting: [], wake: undefined, seen: clock.monotonic() };
    lines.set(scheduler, line);
    return line;
  }

  return {
    offer(scheduler, explain) {
      here.set(scheduler, explain);
      return () => {
        if (here.get(scheduler) === explain) here.delete(scheduler);
      };
    },
    async ask(scheduler, pod) {
      const explain = here.get(scheduler);
      if (explain) return explain(pod);
      const line = lines.get(scheduler);
      if (!line || clock.monotonic() - line.seen > 2 * limits.questionWaitMs) return undefined;
      if (line.waiting.length >= limits.schedulingQuestions)
        throw new ApiError("TooManyRequests", "too many questions wait for the scheduler", { retryAfterSeconds: 1 });
      return new Promise((resolve) => {
        const question = { id: clock.uuid(), pod };
        const timer = clock.after(limits.answerWaitMs, () => settle(undefined), { background: true });
        const settle = (explanation: SchedulingExplanation | undefined) => {
          timer.cancel();
          pending.delete(question.id);
          const at = line.waiting.indexOf(one);
          if (at >= 0) line.waiting.splice(at, 1);
          resolve(explanation);
        };
        const one: Pending = { question, settle };
        pending.set(question.id, one);
        line.waiting.push(one);
        line.wake?.();
      });
    },
    async next(scheduler, signal) {
      const line = lineOf(scheduler);
      line.seen = clock.monotonic();
      if (line.waiting.length === 0) await woken(clock, line, signal);
      line.seen = clock.monotonic();
      return line.waiting.shift()?.question;
    },
    answer: (id, explanation) => pending.get(id)?.settle(explanation),
  };
}

/** Until there is a question, for a while. */
function woken(clock: Clock, line: Line, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      if (line.wake === done) line.wake = undefined;
      resolve();
    };
    const timer = clock.after(limits.questionWaitMs, done, { background: true });
    line.wake?.(); // a scheduler that came again: its earlier request has gone
    line.wake = done;
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
  });
}
