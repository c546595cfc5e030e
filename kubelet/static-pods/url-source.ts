/**
 * URL source: static Pods that a web server gives: one Pod or a list of them, asked for every now and then.
 *
 * What cannot be had or read changes nothing: the Pods stay as they were last. A Pod of the list that is none is left,
 * and said. Files of the node: source.ts.
 * https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/#pods-created-via-http
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { podFrom } from "./manifest.ts";
import type { Source } from "./source.ts";

export interface UrlSourceContext {
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookMs: number;
}

const ANSWER_MS = 10_000;

export function createUrlSource({ url, headers, nodeName, clock, log, signal, lookMs }: UrlSourceContext): Source {
  let known: { readonly text: string; readonly pods: readonly Pod[] } | undefined;

  async function textOf(): Promise<string> {
    const patience = new AbortController();
    const timer = clock.after(ANSWER_MS, () => patience.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    const given = Object.entries(headers).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    );
    try {
      const answer = await fetch(url, {
        headers: given,
        signal: AbortSignal.any([signal, patience.signal]),
      });
      const text = await bodyOf(answer);
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      if (text.trim() === "") throw new Error("the answer is empty");
      return text;
    } finally {
      timer.cancel();
    }
  }

  async function read(): Promise<readonly Pod[]> {
    const text = await textOf();
    if (known?.text !== text) known = { text, pods: podsIn(text) };
    return known.pods;
  }

  function podsIn(text: string): readonly Pod[] {
    const given = readOneYaml(text) as { readonly kind?: string; readonly items?: readonly unknown[] } | undefined;
    const all = given?.kind === "PodList" || given?.kind === "List" ? (given.items ?? []) : [given];
    const facts = { nodeName, seenAt: wireTime(clock.now()), source: "http" } as const;
    return all.flatMap((one) => {
      try {
        return [podFrom(one === given ? one : { apiVersion: "v1", kind: "Pod", ...(one as object) }, facts)];
      } catch (error) {
        log.warn("a static Pod that a web server gives cannot be used", { url, error: (error as Error).message });
        return [];
      }
    });
  }

  return {
    read,
    isComplete: () => known !== undefined,
    async follow(tell) {
      while (!signal.aborted) {
        try {
          tell(await read());
        } catch (error) {
          if (!signal.aborted) log.warn("static Pods cannot be had", { url, error: (error as Error).message });
        }
        await clock.sleep(lookMs, signal).catch(() => undefined); // aborted: the loop's condition ends it
      }
    },
  };
}

/** Stops reading where it becomes too long. */
async function bodyOf({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > limits.staticPodBytes) throw new Error(`the answer is longer than ${limits.staticPodBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}
