/** kubectl wait: until objects have a condition or a value, exist, or are gone. */

import { isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { TimedOut, watchUntil } from "../conditions.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { compilePath, textOf } from "../output/jsonpath.ts";
import { listAll, namespaceFor, type ObjectRef, parseSelection } from "../selection.ts";

const flags = {
  ...fileFlags,
  for: {
    type: "list",
    help: "The condition to wait on: [create|delete|condition=condition-name[=condition-value]|jsonpath='{JSONPath expression}'=[JSONPath value]].",
  },
  timeout: {
    type: "string",
    default: "30s",
    help: "The length of time to wait before giving up. Zero means check once and don't wait, negative means wait for a week.",
  },
  all: { type: "boolean", help: "Select all resources in the namespace of the specified resource types" },
  "all-namespaces": {
    type: "boolean",
    short: "A",
    help: "If present, list the requested object(s) across all namespaces.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "field-selector": { type: "string", default: "", help: "Selector (field query) to filter on" },
} as const satisfies FlagTable;

type WaitRun = Run<typeof flags>;

interface Goal {
  readonly kind: "create" | "delete" | "state";
  readonly holds: (object: KubeObject | undefined) => boolean;
}

const WEEK = 7 * 24 * 3_600_000;

export const wait = defineCommand({
  usage: "wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) --for=...",
  summary: "Wait for a specific condition on one or many resources.",
  examples: ["kubectl wait --for=condition=Ready pod/busybox1", "kubectl wait --for=delete pod/busybox1 --timeout=60s"],
  flags,
  async run(run) {
    const [wanted, ...more] = run.flags.for;
    if (more.length > 0) throw new CommandError("only one --for is supported");
    const goal = goalOf(wanted ?? "");
    const given = goDuration(run.flags.timeout);
    const timeout = given < 0 ? WEEK : given;
    const cluster = await run.cluster();
    const deadline = run.clock.monotonic() + timeout;
    const refs = await refsOf(run, cluster, goal, deadline);
    const errors: unknown[] = [];
    for (const ref of refs) {
      try {
        await waitFor(run, cluster, ref, goal, Math.max(0, deadline - run.clock.monotonic()));
      } catch (error) {
        errors.push(error);
      }
    }
    if (refs.length === 0 && goal.kind !== "delete") throw new CommandError("no matching resources found");
    throwAll(errors);
  },
});

function goalOf(text: string): Goal {
  const lower = text.toLowerCase();
  if (lower === "delete") return { kind: "delete", holds: (object) => object === undefined };
  if (lower === "create") return { kind: "create", holds: (object) => object !== undefined };
  if (text.startsWith("condition=")) return { kind: "state", holds: conditionHolds(text.slice("condition=".length)) };
  if (text.startsWith("jsonpath=")) return { kind: "state", holds: pathHolds(text.slice("jsonpath=".length)) };
  throw new CommandError(`unrecognized condition: ${JSON.stringify(text)}`);
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly observedGeneration?: number;
}

function conditionHolds(text: string): Goal["holds"] {
  const [name = "", value = "true"] = text.split("=");
  return (object) => {
    const status = object?.["status"] as { conditions?: Condition[]; observedGeneration?: number } | undefined;
    const found = status?.conditions?.find(({ type }) => type.toLowerCase() === name.toLowerCase());
    if (!found || !object) return false;
    const generation = (object.metadata as { generation?: number }).generation;
    const observed = found.observedGeneration ?? status?.observedGeneration;
    if (observed !== undefined && generation !== undefined && observed < generation) return false;
    return found.status.toLowerCase() === value.toLowerCase();
  };
}

function pathHolds(text: string): Goal["holds"] {
  const match = /^'?(\{[^}]*\}|[^=]+)'?(?:=(.*))?$/s.exec(text);
  if (!match)
    throw new CommandError(
      `jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'`,
    );
  const values = compilePath(match[1]!);
  const wanted = match[2]?.replace(/^(['"])(.*)\1$/s, "$2");
  return (object) => {
    const found = object === undefined ? [] : values(object);
    if (wanted === undefined) return found.some((value) => value !== null && value !== undefined);
    return found.length === 1 && textOf(found[0]) === wanted;
  };
}

async function refsOf(run: WaitRun, cluster: Cluster, goal: Goal, deadline: number): Promise<ObjectRef[]> {
  const { args, flags: given } = run;
  const manifests = await readManifests(cluster, run.io, given.filename, given);
  const refs: ObjectRef[] = manifests.map(({ type, namespace, object }) => ({
    type,
    namespace,
    name: object.metadata.name ?? "",
  }));
  if (args.length === 0) return refs;
  for (const { type, names } of await parseSelection(cluster, args)) {
    const namespace = namespaceFor(type, cluster, given["all-namespaces"]);
    if (names) refs.push(...names.map((name) => ({ type, namespace, name })));
    else if (!given.all && given.selector === "" && given["field-selector"] === "") {
      throw new CommandError("resource(s) were provided, but no name was specified");
    } else {
      const narrowing = { selector: given.selector, fieldSelector: given["field-selector"] };
      for (;;) {
        const found = await listAll(cluster, type, namespace, narrowing);
        refs.push(...found);
        if (found.length > 0 || goal.kind !== "create" || run.clock.monotonic() >= deadline) break;
        await run.clock.sleep(200, run.io.signal);
      }
    }
  }
  return refs;
}

async function waitFor(run: WaitRun, cluster: Cluster, ref: ObjectRef, goal: Goal, timeout: number): Promise<void> {
  const { type, namespace, name } = ref;
  if (goal.kind !== "create") {
    try {
      await cluster.request({ method: "GET", path: resourcePath(type, namespace, name) });
    } catch (error) {
      if (goal.kind === "delete" && isNotFound(error)) return;
      throw error;
    }
  }
  try {
    await watchUntil({ cluster, io: run.io, timeout }, ref, (object) => {
      if (object === undefined && goal.kind === "state")
        throw new CommandError(`${type.plural} ${JSON.stringify(name)} was deleted`);
      return goal.holds(object);
    });
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new CommandError(
      `timed out waiting for the condition on ${type.plural}${type.group ? `.${type.group}` : ""}/${name}`.replace(
        /\.[^/]*\//,
        "/",
      ),
    );
  }
  const met = { create: "condition met", delete: "condition met", state: "condition met" }[goal.kind];
  run.out(`${typeName(type)}/${name} ${met}\n`);
}
