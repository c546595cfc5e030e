/**
 * Campaign: many requests to servers of this process, batch by batch, each batch with a server and a seed of its own.
 *
 * A failure is shrunk on the server on which it was found and told with its seed, so that the batch can be run again.
 * After each batch the server must be healthy, list everything, and nothing may have got into what objects inherit.
 */
import fc from "fast-check";
import type { Schema } from "../../apiserver/schema/contract.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { startPipeline } from "../harness/pipeline.ts";
import { serve } from "../harness/served.ts";
import { type Answer, type Https, type Send, sendDirect, sendOverHttps } from "./answers.ts";
import { Choices, choiceLists } from "./choices.ts";
import { complaints, problemOf, stored } from "./judge.ts";
import { DOOMED, type FuzzRequest, type Generate, requestsOver, SEEDED } from "./requests.ts";
import { collectionPath, definitions, objectOf, type Target, targets } from "./targets.ts";

export interface Failure {
  readonly seed: number;
  readonly problem: string;
  /** The shrunken request. */
  readonly request: string;
}

export interface Tally {
  requests: number;
  overHttps: number;
  /** Objects that were taken, and held to what must hold of stored objects. */
  kept: number;
  slowestMs: number;
  slowest: string;
  readonly statuses: Map<number, number>;
  /** One of each kind. */
  readonly failures: Failure[];
  /** How often each kind of problem was met. */
  readonly problems: Map<string, number>;
}

export const emptyTally = (): Tally => ({
  requests: 0,
  overHttps: 0,
  kept: 0,
  slowestMs: 0,
  slowest: "",
  statuses: new Map(),
  failures: [],
  problems: new Map(),
});

export interface Batch {
  readonly schema: Schema;
  readonly seed: number;
  readonly requests: number;
  readonly overHttps: boolean;
}

/** Longer than this is no answer. */
const HANG_MS = 20_000;
/** Requests that a failure may take to become small. */
const SHRINKS = 150;

export async function runBatch({ schema, seed, requests, overHttps }: Batch, tally: Tally): Promise<void> {
  const pipeline = await startPipeline();
  const inherited = inheritedNames();
  const served = overHttps ? await serve(pipeline) : undefined;
  const https: Https | undefined = served && (await sendOverHttps(served.directory));
  const direct = sendDirect(pipeline.handler);
  const unhandled: unknown[] = [];
  const caught = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", caught);
  const run = new Run(requestsOver(schema), https?.send ?? direct, direct, tally);
  try {
    await prepare(direct);
    let left = requests;
    for (let part = 0; left > 0; part++) {
      run.begin();
      const property = fc.asyncProperty(choiceLists, (list) => run.one(list));
      const found = await fc.check(property, { seed: seed + part, numRuns: left });
      left -= found.numRuns;
      if (!found.failed) break;
      if (run.problem === "") throw found.errorInstance;
      const request = run.generate(new Choices(found.counterexample?.[0] ?? []));
      tally.failures.push({ seed, problem: run.problem, request: shown(request) });
    }
    for (const problem of await aftermath(direct, inherited, unhandled))
      tally.failures.push({ seed, problem, request: "(after the batch)" });
    if (overHttps) tally.overHttps += requests;
  } finally {
    process.off("unhandledRejection", caught);
    https?.close();
    await served?.close();
    await pipeline.close();
  }
}

class Run {
  /** The one that is being shrunk, and how often that was tried. */
  problem = "";
  private tries = 0;
  readonly generate: Generate;
  private readonly send: Send;
  private readonly direct: Send;
  private readonly tally: Tally;

  constructor(generate: Generate, send: Send, direct: Send, tally: Tally) {
    this.generate = generate;
    this.send = send;
    this.direct = direct;
    this.tally = tally;
  }

  begin(): void {
    this.problem = "";
    this.tries = 0;
  }

  /** Throws for what must not happen. */
  async one(list: readonly number[]): Promise<void> {
    const { tally } = this;
    if (this.problem !== "" && ++this.tries > SHRINKS) return;
    const request = this.generate(new Choices(list));
    const begin = clock.monotonic();
    const answer = await inTime(this.send(request));
    const took = clock.monotonic() - begin;
    tally.requests++;
    if (took > tally.slowestMs) Object.assign(tally, { slowestMs: took, slowest: shown(request).slice(0, 300) });
    if (typeof answer === "string") return this.fail(answer);
    tally.statuses.set(answer.status, (tally.statuses.get(answer.status) ?? 0) + 1);
    const problem = problemOf(request, answer);
    if (problem) this.fail(problem);
    if (request.method === "DELETE" && answer.status < 300 && request.target)
      await seed(this.direct, request.target, LEFT);
    await this.lookAt(request, answer);
  }

  private async lookAt(request: FuzzRequest, answer: Answer): Promise<void> {
    const kept = stored(request, answer);
    if (!kept) return;
    this.tally.kept++;
    const problem = await complaints(this.direct, kept);
    if (request.method === "POST") await remove(this.direct, kept.path);
    if (problem) this.fail(`${request.method} was answered ${answer.status}, and the object ${problem}`);
  }

  /** What has been told is counted; while a request shrinks only the same problem counts. */
  private fail(problem: string): void {
    const kind = kindOf(problem);
    const times = this.tally.problems.get(kind) ?? 0;
    if (this.problem === "") {
      this.tally.problems.set(kind, times + 1);
      if (times > 0) return;
    } else if (kindOf(this.problem) !== kind) return;
    this.problem = problem;
    throw new Error(problem);
  }
}

/** The same problem has other names and numbers in it each time. */
const kindOf = (problem: string): string => problem.replace(/"[^"]*"|[0-9]+|[0-9a-f-]{36}/g, "…").slice(0, 120);

/** A sentence where no answer came. */
function inTime(answer: Promise<Answer>): Promise<Answer | string> {
  return new Promise((resolve) => {
    const timer = clock.after(HANG_MS, () => resolve(`no answer in ${HANG_MS} ms`));
    answer.then(
      (one) => {
        timer.cancel();
        resolve(one);
      },
      (error: unknown) => {
        timer.cancel();
        resolve(`the transport failed: ${error instanceof Error ? error.stack : String(error)}`);
      },
    );
  });
}

const JSON_TYPE = { "content-type": "application/json" };

async function prepare(send: Send): Promise<void> {
  const definition = targets.find(({ plural }) => plural === "customresourcedefinitions") as Target;
  for (const one of definitions) {
    const body = Buffer.from(JSON.stringify({ ...objectOf(definition, ""), ...one }));
    const made = await send({ ...bare, method: "POST", path: collectionPath(definition), headers: JSON_TYPE, body });
    if (made.status !== 201) throw new Error(`no definition: ${Buffer.from(made.bytes)}`);
  }
  const end = clock.monotonic() + HANG_MS;
  for (const target of targets.filter(({ custom }) => custom)) {
    const list = { ...bare, method: "GET", path: collectionPath(target) };
    while ((await send(list)).status !== 200) {
      if (clock.monotonic() > end) throw new Error(`${target.plural} are not served in time`);
      await clock.sleep(2);
    }
  }
  for (const target of targets) await seed(send, target, FRESH);
}

const bare = { headers: {}, body: undefined, target: undefined, streams: false } as const;

/** What a good sample may be answered, before anything hostile was taken and after. */
const FRESH: readonly number[] = [201, 403, 409];
/** A LimitRange or a policy that was taken may refuse it. */
const LEFT: readonly number[] = [...FRESH, 422, 429];

/** Both objects of the target, where they are not there. */
async function seed(send: Send, target: Target, expected: readonly number[]): Promise<void> {
  if (!target.verbs.includes("create") || !target.verbs.includes("get")) return;
  for (const name of [SEEDED, DOOMED]) {
    const body = Buffer.from(JSON.stringify(objectOf(target, name)));
    const made = await send({ ...bare, method: "POST", path: collectionPath(target), headers: JSON_TYPE, body });
    if (!expected.includes(made.status)) throw new Error(`the sample of ${target.plural}: ${Buffer.from(made.bytes)}`);
  }
}

async function remove(send: Send, path: string): Promise<void> {
  const body = Buffer.from('{"gracePeriodSeconds":0,"propagationPolicy":"Background"}');
  await send({ ...bare, method: "DELETE", path, headers: JSON_TYPE, body });
}

async function aftermath(send: Send, inherited: string, unhandled: readonly unknown[]): Promise<string[]> {
  const problems: string[] = [];
  await clock.sleep(5);
  for (const error of unhandled) problems.push(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
  if (inheritedNames() !== inherited) problems.push(`objects inherit something else: ${inheritedNames()}`);
  const ready = await send({ ...bare, method: "GET", path: "/readyz?verbose" });
  if (ready.status !== 200) problems.push(`not healthy: ${Buffer.from(ready.bytes)}`);
  for (const target of targets.filter(({ verbs }) => verbs.includes("list"))) {
    for (const query of ["?limit=1000", "?watch=true&timeoutSeconds=1&resourceVersion=0"]) {
      const read = await send({ ...bare, method: "GET", path: collectionPath(target) + query });
      // whoever may delete a definition may end what it defines
      if (
        read.status !== 200 &&
        !(target.custom && read.status === 404) &&
        !(query.includes("watch") && !target.verbs.includes("watch"))
      )
        problems.push(`${target.plural}${query}: ${read.status} ${Buffer.from(read.bytes)}`);
    }
  }
  return problems;
}

/** What every object, list and function has. */
const inheritedNames = (): string =>
  [Object.prototype, Array.prototype, Function.prototype]
    .map((one) => Object.getOwnPropertyNames(one).join())
    .join(";");

function shown({ method, path, headers, body }: FuzzRequest): string {
  const text = body === undefined ? "" : Buffer.from(body).toString("utf8");
  const whole = body !== undefined && !Buffer.from(text, "utf8").equals(Buffer.from(body));
  const bytes = whole ? ` (base64 ${Buffer.from(body).toString("base64").slice(0, 2000)})` : "";
  return `${method} ${path} ${JSON.stringify(headers)} ${text.slice(0, 2000)}${bytes}`;
}
