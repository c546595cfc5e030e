/**
 * Cached objects: what an API server keeps in memory for each object beyond the object's own JSON, and whether
 * anything about many objects makes it pause: lists in every form, selectors over all of them, a start.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { startChild } from "./child.ts";
import { openConnection, type Target } from "./http-connection.ts";
import { namespaceOf, pathOf } from "./objects.ts";
import { atMost, type Row } from "./report.ts";
import type { DirectLoad, Memory, Pauses, ServerOptions } from "./server-process.ts";

const SERIES = "list-cached";

/** What is asked, and in which form. */
const reads: readonly (readonly [string, string, string])[] = [
  ["list", "", "application/json"],
  ["list as a Table", "", "application/json;as=Table;v=v1;g=meta.k8s.io"],
  ["list as metadata", "", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"],
  ["list as protobuf", "", "application/vnd.kubernetes.protobuf,application/json"],
  ["list by a label that none has", "?labelSelector=none%3Dsuch", "application/json"],
  ["list by a field that none has", "?fieldSelector=status.phase%3DFailed", "application/json"],
  ["list of 500 at a time, by label", "?labelSelector=app%3Dweb&limit=500", "application/json"],
];

export const cachedObjects: Measurement = {
  name: "cached",
  summary: "memory and pauses with many objects",
  async run({ quick, directory, say }) {
    const count = quick ? 17_000 : 50_000;
    const home = join(directory, "cached");
    mkdirSync(home, { mode: 0o700 });
    const serve = async () => {
      const child = startChild(join(import.meta.dirname, "server-process.ts"));
      const options: ServerOptions = { kind: "embedded", home };
      return { child, target: await child.call<Omit<Target, "transport">>("start", options) };
    };
    let { child, target } = await serve();
    const rows: Row[] = [];
    try {
      await child.call("prepare", SERIES);
      const empty = await child.call<Memory>("memory");
      await child.call("watchPauses");
      await clock.sleep(2_000);
      // what the machine itself does to a process that does nothing
      rows.push({ ...pauseRow("nothing", await child.call<Pauses>("pausesSeen")), aim: undefined });
      say(`${count} Pods`);
      await child.call("watchPauses");
      const load: DirectLoad = {
        operation: "create",
        kind: "pods",
        series: SERIES,
        first: 0,
        workers: 32,
        seconds: 600,
        requests: count,
      };
      await child.call("directLoad", load);
      rows.push(pauseRow("creates", await child.call<Pauses>("pausesSeen")));
      const bytes = (await read(target, pathOf("pods", SERIES), "application/json")).bytes;
      rows.push(memoryRow("after creating", count, bytes, empty, await child.call<Memory>("memory")));
      for (const [what, query, accept] of reads) {
        say(what);
        await child.call("watchPauses");
        const { firstMs, wholeMs } = await read(target, `${pathOf("pods", SERIES)}${query}`, accept);
        rows.push({
          ...pauseRow(what, await child.call<Pauses>("pausesSeen")),
          note: `whole after ${wholeMs.toFixed(0)} ms`,
        });
        rows.push({ what: `${what}: first byte`, value: firstMs, unit: "ms", ...(query ? {} : { aim: atMost(30) }) });
      }
      rows.push(memoryRow("after lists and selectors", count, bytes, empty, await child.call<Memory>("memory")));
      await child.stop();
      say("started again");
      ({ child, target } = await serve());
      const again = await child.call<Memory>("memory");
      rows.push(memoryRow("after a start", count, bytes, empty, again));
      await child.call("watchPauses");
      await read(target, `/api/v1/pods?labelSelector=none%3Dsuch`, "application/json");
      rows.push(pauseRow("first selector over what was loaded", await child.call<Pauses>("pausesSeen")));
      return [{ title: `${count} Pods in namespace ${namespaceOf(SERIES)}, embedded store, over https`, rows }];
    } finally {
      await child.stop();
    }
  },
};

const pauseRow = (what: string, { longest, p99 }: Pauses): Row => ({
  what: `${what}: longest pause`,
  value: longest,
  unit: "ms",
  aim: atMost(20),
  note: `p99 ${p99.toFixed(1)} ms`,
});

function memoryRow(what: string, count: number, bytes: number, before: Memory, now: Memory): Row {
  const each = (part: (memory: Memory) => number) => (part(now) - part(before)) / count / 1000;
  const json = bytes / count / 1000;
  const kept = each(({ heapUsed, external }) => heapUsed + external);
  return {
    what: `${what}: beyond its JSON, each`,
    value: kept - json,
    unit: "KB",
    aim: atMost(3),
    note: `JSON ${json.toFixed(2)}, heap ${each(({ heapUsed }) => heapUsed).toFixed(2)}, outside ${each(({ external }) => external).toFixed(2)}, resident ${each(({ rss }) => rss).toFixed(2)} KB each; resident ${(now.rss / 1e6).toFixed(0)} MB in all`,
  };
}

interface Read {
  readonly firstMs: number;
  readonly wholeMs: number;
  readonly bytes: number;
}

async function read(target: Omit<Target, "transport">, path: string, accept: string): Promise<Read> {
  const connection = await openConnection({ ...target, transport: "https" });
  const begin = clock.monotonic();
  let firstMs = 0;
  try {
    const request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: ${accept}\r\n\r\n`;
    const { bytes, status } = await connection.send(Buffer.from(request), () => {
      firstMs ||= clock.monotonic() - begin;
    });
    if (status >= 300) throw new Error(`${path}: ${status}`);
    return { firstMs, wholeMs: clock.monotonic() - begin, bytes };
  } finally {
    connection.close();
  }
}
