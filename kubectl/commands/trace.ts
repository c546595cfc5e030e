/**
 * kubectl trace: why an object is as it is, and what it led to: a tree of writes with their times.
 *
 * Everything comes out of the server's store: each version was kept with who wrote it, when, and which
 * change made them. What was compacted is gone; the output says where history begins.
 */
import { isNotFound } from "../../machinery/objects/status.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand } from "../command.ts";
import { apiVersionOf, typeName } from "../discovery.ts";
import { CommandError, PlainError } from "../errors.ts";
import { findOne } from "../pods.ts";
import { type FoundObject, namespaceFor, parseSelection } from "../selection.ts";
import type { Chain, Step } from "../trace/chain.ts";
import { chainOf } from "../trace/chain.ts";
import { gather, historyOf, type Story } from "../trace/gather.ts";

export const trace = defineCommand({
  usage: "trace (TYPE NAME | TYPE/NAME) [options]",
  summary: "Show the causal chain of an object: from the write that began it to the containers that run, with times.",
  examples: ["kubectl trace deployment/web", "kubectl trace pod/web-5d8c7-x2x9z --all"],
  flags: {
    all: { type: "boolean", help: "Also show writes that only count along, such as status updates." },
    "max-objects": { type: "number", default: 50, help: "How many of the objects that it made are followed." },
    output: { type: "string", short: "o", default: "", help: "Output format: json for the tree as data." },
  },
  async run(run) {
    const { args, flags } = run;
    if (args.length === 0) throw new CommandError("required resource not specified: name it as TYPE/NAME");
    if (!["", "json"].includes(flags.output)) throw new CommandError("--output must be 'json'");
    const cluster = await run.cluster();
    const found = await foundOrGone(cluster, args);
    const story = await gathered(cluster, found, flags["max-objects"]);
    const chain = chainOf(story.objects, { all: flags.all });
    if (flags.output === "json") return run.out(`${JSON.stringify({ since: story.since, ...chain }, asData, 4)}\n`);
    const subject = `${typeName(found.type)}/${found.name}${found.namespace ? ` in namespace ${found.namespace}` : ""}`;
    run.out(render(subject, chain, story));
  },
});

/** What is there, or, when it was deleted, what history kept of it. */
async function foundOrGone(cluster: Cluster, args: readonly string[]): Promise<FoundObject> {
  try {
    return await findOne(cluster, args);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const [selected] = await parseSelection(
      cluster,
      args.length === 1 && !args[0]!.includes("/") ? ["pods", ...args] : args,
    );
    const [name = ""] = selected?.names ?? [];
    const ref = { type: selected!.type, namespace: namespaceFor(selected!.type, cluster), name };
    const { versions } = await historyOf(cluster, ref).catch(() => ({ versions: [] }));
    const last = versions.findLast(({ object }) => object !== undefined)?.object;
    if (!last) throw error;
    return { ...ref, object: { ...last, apiVersion: apiVersionOf(ref.type), kind: ref.type.kind } };
  }
}

async function gathered(cluster: Cluster, found: FoundObject, most: number): Promise<Story> {
  try {
    return await gather(cluster, found, most);
  } catch (error) {
    const missing =
      (error as { code?: unknown }).code === 404 && /could not find the requested/.test((error as Error).message);
    throw missing ? new PlainError("error: this server keeps no history: trace needs a k8ts API server") : error;
  }
}

/** Only what a step says, not what it was made of. */
function asData(key: string, value: unknown): unknown {
  return ["traced", "causeRevision", "isCreation"].includes(key) ? undefined : value;
}

interface Line {
  readonly step: Step;
  readonly branch: string;
}

/** Steps of one object that follow each other without a fork stand below each other, all others further in. */
function linesOf(steps: readonly Step[], before: string, top: boolean): Line[] {
  return steps.flatMap((first, index) => {
    const last = index === steps.length - 1;
    const inner = top ? "" : `${before}${last ? "   " : "│  "}`;
    const lines = [{ step: first, branch: top ? "" : `${before}${last ? "└─ " : "├─ "}` }];
    let step = first;
    for (let next = onlyNext(step); next; next = onlyNext(next)) {
      lines.push({ step: next, branch: top ? "   " : inner });
      step = next;
    }
    return [...lines, ...linesOf(step.children, inner, false)];
  });
}

function onlyNext({ name, children }: Step): Step | undefined {
  const [next, ...more] = children;
  return next?.name === name && more.length === 0 ? next : undefined;
}

function render(subject: string, chain: Chain, story: Story): string {
  const lines = linesOf(chain.roots, "", true);
  const times = lines.flatMap(({ step }) => (step.time === undefined ? [] : [step.time]));
  const start = times.length > 0 ? Math.min(...times) : 0;
  const offsets = lines.map(({ step }) => (step.time === undefined ? "" : offset(step.time - start)));
  const width = Math.max(0, ...offsets.map((text) => text.length));
  const began = times.length > 0 ? `, from ${new Date(start).toISOString()}` : "";
  const body = lines.map(
    ({ step, branch }, index) => `${offsets[index]!.padStart(width)}  ${branch}${told(step, story.since)}\n`,
  );
  return [`${subject}${began}\n\n`, ...body, ...notes(chain, story).map((note) => `\n${note}\n`)].join("");
}

function told({ name, changes, by, revision, causedBy }: Step, since: string): string {
  const telling = changes.filter(({ main }) => main);
  const what = (telling.length > 0 ? telling : changes).map(({ text }) => text).join(", ");
  return `${name} ${what}, by ${by} (#${revision}${causedBy === undefined ? "" : because(causedBy, since)})`;
}

function because(revision: string, since: string): string {
  const gone = BigInt(revision) <= BigInt(since);
  return gone ? `, because of #${revision}, which is no longer kept` : `, because of #${revision}, another object's`;
}

/** "+0.000s", "+1m02.5s" */
function offset(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `+${seconds.toFixed(3)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `+${minutes}m${(seconds % 60).toFixed(1).padStart(4, "0")}s`;
  return `+${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}

function notes(chain: Chain, { since, objects, omitted }: Story): string[] {
  const cut = objects.filter(({ versions }) => {
    const [first] = versions;
    return first !== undefined && first.cause?.verb !== "create" && BigInt(first.resourceVersion) <= BigInt(since) + 1n;
  });
  return [
    ...(chain.hidden > 0 ? [`Not shown: writes that only count along (${chain.hidden}); --all shows them.`] : []),
    ...(omitted > 0 ? [`Not shown: more objects that it made (${omitted}); --max-objects shows more.`] : []),
    ...(cut.length > 0 || (BigInt(since) > 0n && chain.roots.length === 0)
      ? [
          `History begins after #${since}: what was written before has been compacted; of it only the last versions are known.`,
        ]
      : []),
  ];
}
