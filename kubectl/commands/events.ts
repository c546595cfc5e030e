/** kubectl events: events in the order in which they were seen, of a namespace or of one object. */
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { interval, lastSeen } from "../describe/events.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { createColumnWriter } from "../output/columns.ts";
import { createPrinter } from "../output/printer.ts";
import { listAll } from "../selection.ts";

const flags = {
  "all-namespaces": {
    type: "boolean",
    short: "A",
    help: "If present, list the requested object(s) across all namespaces.",
  },
  for: { type: "string", default: "", help: "Filter events to only those pertaining to the specified resource." },
  types: { type: "list", help: "Output only events of given types." },
  watch: { type: "boolean", short: "w", help: "After listing the requested events, watch for more events." },
  "no-headers": { type: "boolean", help: "When using the default output format, don't print headers." },
  output: { type: "string", short: "o", default: "", help: "Output format: json, yaml, name, jsonpath=…" },
} as const satisfies FlagTable;

type EventsRun = Run<typeof flags>;

export const events = defineCommand({
  usage: "events [(-o|--output=)json|yaml|name|jsonpath] [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
  summary: "Display events.",
  examples: ["kubectl events -A", "kubectl events --for pod/web-pod-13je7 --watch", "kubectl events --types=Warning"],
  flags,
  async run(run) {
    const types = run.flags.types.flatMap((text) => text.split(","));
    const cluster = await run.cluster();
    const type = resolveType(await cluster.discovery(), "events");
    const namespace = run.flags["all-namespaces"] ? undefined : cluster.namespace;
    const fieldSelector = await forSelector(run.flags.for, cluster);
    const keep = (event: CoreEvent) =>
      types.length === 0 || types.some((one) => one.toLowerCase() === (event.type ?? "").toLowerCase());
    const path = resourcePath(type, namespace);
    const found = (await listAll(cluster, type, namespace, { fieldSelector }))
      .map(({ object }) => object as unknown as CoreEvent)
      .filter(keep);
    const sorted = found.sort((a, b) => Date.parse(lastSeen(a)) - Date.parse(lastSeen(b)));
    const print = await printerOf(run);
    if (sorted.length === 0 && !run.flags.watch) {
      const where = run.flags["all-namespaces"]
        ? "No events found.\n"
        : `No events found in ${cluster.namespace} namespace.\n`;
      return run.err(where);
    }
    print(sorted);
    if (!run.flags.watch) return;
    const query = { watch: "true", ...(fieldSelector ? { fieldSelector } : {}), resourceVersion: newest(sorted) };
    for await (const batch of cluster.watch({ method: "GET", path, query })) {
      const next = batch.filter((event) => event.type === "ADDED" || event.type === "MODIFIED");
      print(next.map(({ object }) => object as unknown as CoreEvent).filter(keep));
    }
  },
});

function newest(list: readonly CoreEvent[]): string {
  const versions = list.map(({ metadata }) => metadata.resourceVersion);
  return versions.sort((a, b) => Number(BigInt(a) - BigInt(b))).at(-1) ?? "0";
}

async function forSelector(text: string, cluster: Cluster): Promise<string> {
  if (text === "") return "";
  const [typeText = "", name = ""] = text.split("/");
  if (name === "") throw new CommandError("--for must be in resource/name form");
  const type = resolveType(await cluster.discovery(), typeText);
  return `involvedObject.kind=${type.kind},involvedObject.name=${name}`;
}

async function printerOf({ flags: given, out, clock }: EventsRun): Promise<(list: readonly CoreEvent[]) => void> {
  if (given.output !== "") {
    const printer = await createPrinter(given.output);
    return (list) => {
      const value = { apiVersion: "v1", kind: "EventList", metadata: {}, items: list };
      if (list.length > 0) out(printer.print(value as unknown as KubeObject));
    };
  }
  const writer = createColumnWriter();
  const namespaced = given["all-namespaces"];
  let headed = given["no-headers"];
  return (list) => {
    const rows = list.map((event) => row(event, clock.now(), namespaced));
    const header = [...(namespaced ? ["NAMESPACE"] : []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    out(writer.write(headed ? rows : [header, ...rows]));
    headed = true;
  };
}

function row(event: CoreEvent, now: number, namespaced: boolean): string[] {
  const { type = "", reason = "", message = "", involvedObject, metadata } = event;
  const object = `${involvedObject.kind}/${involvedObject.name}`;
  const place = namespaced ? [metadata.namespace ?? ""] : [];
  return [...place, interval(event, now), type, reason, object, message.trim()];
}
