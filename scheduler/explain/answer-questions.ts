/**
 * Answer questions: how a scheduler in a process of its own is asked by the API server why a Pod is where it is.
 *
 * The scheduler listens nowhere: it asks for the next question and gets it when there is one. A server that does
 * not know such questions, or does not answer, is asked again later. In the server's process it is asked directly.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createBackoff } from "../../machinery/loop/backoff.ts";
import {
  ANSWERS_PATH,
  type ExplainPod,
  QUESTIONS_PATH,
  type SchedulingQuestion,
} from "../../machinery/objects/scheduling.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface AnswerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName: string;
  readonly explain: ExplainPod;
}

const PAUSE_MS = { first: 1_000, last: 30_000 };

/** Resolves when the signal has aborted. */
export async function answerQuestions(options: AnswerOptions): Promise<void> {
  const { client, clock, log, signal, schedulerName, explain } = options;
  const { transport } = client;
  const backoff = createBackoff(clock, PAUSE_MS.first, PAUSE_MS.last);
  while (!signal.aborted) {
    try {
      const query = { scheduler: schedulerName };
      const asked = await transport.request({ method: "GET", path: QUESTIONS_PATH, query, signal });
      const { question } = asked as { readonly question?: SchedulingQuestion };
      backoff.reset();
      if (!question) continue;
      const body = { explanation: (await explain(question.pod)) ?? null };
      await transport.request({ method: "POST", path: `${ANSWERS_PATH}/${question.id}`, body, signal });
    } catch (error) {
      if (signal.aborted) return;
      log.debug("no questions could be asked for", { error });
      await clock.sleep(backoff.next(), signal).catch(() => undefined); // only the signal ends it early
    }
  }
}
