/**
 * kubectl get: tables as the server makes them, or objects in any format of output/printer.ts.
 *
 * Several types print one after the other; what is missing is reported at the end, after what was found.
 */
import type { ClientRequest, WatchEvent } from "../../machinery/client/transport/contract.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { type ResourceType, resourcePath, typeName } from "../discovery.ts";
import { CommandError, PlainError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { createPrinter } from "../output/printer.ts";
import { sortObjects, sortRows } from "../output/sort.ts";
import { createTablePrinter, isTable, type Table, type TablePrinter } from "../output/table.ts";
import { listFailure, namespaceFor, objectsOf, parseSelection, queryOf, type Selected } from "../selection.ts";

const flags = {
  ...fileFlags,
  output: {
    type: "string",
    short: "o",
    default: "",
    help: "Output format: json, yaml, name, wide, jsonpath=…, custom-columns=…",
  },
  watch: { type: "boolean", short: "w", help: "After listing/getting the requested object, watch for changes." },
  "watch-only": {
    type: "boolean",
    help: "Watch for changes to the requested object(s), without listing/getting first.",
  },
  "output-watch-events": { type: "boolean", help: "Output watch event objects when --watch or --watch-only is used." },
  "all-namespaces": {
    type: "boolean",
    short: "A",
    help: "If present, list the requested object(s) across all namespaces.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "field-selector": { type: "string", default: "", help: "Selector (field query) to filter on" },
  "sort-by": { type: "string", default: "", help: "If non-empty, sort list types using this field specification." },
  "no-headers": {
    type: "boolean",
    help: "When using the default or custom-column output format, don't print headers.",
  },
  "show-labels": { type: "boolean", help: "When printing, show all labels as the last column" },
  "show-kind": { type: "boolean", help: "If present, list the resource type for the requested object(s)." },
  "show-managed-fields": {
    type: "boolean",
    help: "If true, keep the managedFields when printing objects in JSON or YAML.",
  },
  "label-columns": { type: "list", short: "L", help: "Labels that are going to be presented as columns." },
  "ignore-not-found": {
    type: "boolean",
    help: "If the requested object does not exist the command will return exit code 0.",
  },
  "chunk-size": { type: "number", default: 500, help: "Return large lists in chunks rather than all at once." },
  "server-print": {
    type: "boolean",
    default: true,
    help: "If true, have the server return the appropriate table output.",
  },
  subresource: { type: "string", help: "If specified, gets the subresource of the requested object." },
  raw: { type: "string", help: "Raw URI to request from the server." },
} as const satisfies FlagTable;

type GetRun = Run<typeof flags>;

export const get = defineCommand({
  usage:
    "get [(-o|--output=)json|yaml|name|wide|custom-columns|jsonpath] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
  summary: "Display one or many resources.",
  examples: ["kubectl get pods -o wide", "kubectl get deployments.apps/web -o yaml", "kubectl get all -A"],
  flags,
  async run(run) {
    const cluster = await run.cluster();
    if (run.flags.raw) return printRaw(run, cluster, run.flags.raw);
    const selection = await selectionOf(run, cluster);
    checkSelection(run, selection);
    const watching = run.flags.watch || run.flags["watch-only"];
    if (watching) return watch(run, cluster, selection);
    const asTable = ["", "wide"].includes(run.flags.output);
    return asTable ? printTables(run, cluster, selection) : printObjects(run, cluster, selection);
  },
});

async function printRaw(run: GetRun, cluster: Cluster, path: string): Promise<void> {
  const url = new URL(path, "http://server");
  const query = Object.fromEntries(url.searchParams);
  for await (const chunk of cluster.stream({ method: "GET", path: url.pathname, query })) {
    run.out(Buffer.from(chunk).toString("utf8"));
  }
}

const NOTHING_ASKED = `You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of supported resources.

error: Required resource not specified.
Use "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods).
See 'kubectl get -h' for help and examples`;

/** A type, with the names that were given; from files one entry for each object. */
interface Part extends Selected {
  readonly namespace: string | undefined;
}

async function selectionOf(run: GetRun, cluster: Cluster): Promise<readonly Part[]> {
  const { args, flags: given } = run;
  if (given.filename.length > 0) {
    const manifests = await readManifests(cluster, run.io, given.filename, given);
    return manifests.map(({ type, namespace, object }) => ({ type, namespace, names: [object.metadata.name ?? ""] }));
  }
  if (args.length === 0) {
    throw new PlainError(NOTHING_ASKED);
  }
  const selection = await parseSelection(cluster, args);
  return selection.map((one) => ({ ...one, namespace: namespaceFor(one.type, cluster, given["all-namespaces"]) }));
}

function checkSelection({ flags: given }: GetRun, selection: readonly Part[]): void {
  if (!selection.some(({ names }) => names)) return;
  if (given.filename.length > 0) return;
  if (given.selector !== "" || given["field-selector"] !== "") {
    throw new CommandError("name cannot be provided when a selector is specified");
  }
  if (given["all-namespaces"] && selection.some(({ type }) => type.namespaced)) {
    throw new CommandError("a resource cannot be retrieved by name across all namespaces");
  }
}

const TABLE = ["v1", "v1beta1"].map((version) => `application/json;as=Table;v=${version};g=meta.k8s.io`);

function request(run: GetRun, type: ResourceType, namespace: string | undefined, name?: string): ClientRequest {
  const { selector, "field-selector": fieldSelector, subresource } = run.flags;
  const query = name === undefined ? queryOf({ selector, fieldSelector }) : {};
  return { method: "GET", path: resourcePath(type, namespace, name, subresource), query };
}

/** The requests for one part's tables: one for all, or one for each name; lists in chunks. */
async function* tables(
  run: GetRun,
  cluster: Cluster,
  { type, namespace, names }: Part,
  failed: (error: unknown) => void,
) {
  const headers = { accept: `${TABLE.join(",")},application/json` };
  const extra: Record<string, string> = run.flags["sort-by"] ? { includeObject: "Object" } : {};
  const ask = async (asked: ClientRequest) => {
    try {
      const answer = await cluster.request<Table | KubeObject>({
        ...asked,
        headers,
        query: { ...asked.query, ...extra },
      });
      return isTable(answer) ? answer : plainTable(answer);
    } catch (error) {
      const { selector, "field-selector": fieldSelector } = run.flags;
      failed(names ? error : listFailure(error, type, { selector, fieldSelector }));
      return undefined;
    }
  };
  for (const name of names ?? []) {
    const table = await ask(request(run, type, namespace, name));
    if (table) yield table;
  }
  if (names) return;
  let next = "";
  do {
    const asked = request(run, type, namespace);
    const chunk = run.flags["chunk-size"] > 0 ? { limit: String(run.flags["chunk-size"]) } : {};
    const table = await ask({ ...asked, query: { ...asked.query, ...chunk, ...(next ? { continue: next } : {}) } });
    if (table) yield table;
    next = table?.metadata?.continue ?? "";
  } while (next !== "");
}

/** What a server that makes no tables sends, as a table of names. */
function plainTable(answer: KubeObject): Table {
  const items = Array.isArray(answer["items"]) ? (answer["items"] as KubeObject[]) : [answer];
  const created = (item: KubeObject) => item.metadata.creationTimestamp ?? "<unknown>";
  return {
    kind: "Table",
    columnDefinitions: [
      { name: "Name", type: "string", priority: 0 },
      { name: "Created At", type: "date", priority: 0 },
    ],
    rows: items.map((item) => ({ cells: [item.metadata.name, created(item)], object: item })),
  };
}

function tablePrinter(run: GetRun, part: Part, several: boolean): TablePrinter {
  const { flags: given } = run;
  return createTablePrinter({
    wide: given.output === "wide",
    noHeaders: given["no-headers"],
    withNamespace: given["all-namespaces"] && part.type.namespaced,
    showLabels: given["show-labels"],
    labelColumns: given["label-columns"].flatMap((labels) => labels.split(",")),
    kindPrefix: several || given["show-kind"] ? typeName(part.type) : "",
  });
}

async function printTables(run: GetRun, cluster: Cluster, selection: readonly Part[]): Promise<void> {
  const errors: unknown[] = [];
  const several = new Set(selection.map(({ type }) => type)).size > 1;
  const named = selection.some(({ names }) => names);
  let printed = 0;
  let printer: TablePrinter | undefined;
  let last: ResourceType | undefined;
  for (const part of selection) {
    const found: Table[] = [];
    for await (const table of tables(run, cluster, part, (error) => errors.push(error))) found.push(table);
    const rows = sortRows(
      found.flatMap((table) => table.rows ?? []),
      run.flags["sort-by"],
    );
    if (rows.length === 0) continue;
    if (last !== part.type) {
      if (printed > 0) run.out("\n");
      printer = tablePrinter(run, part, several);
    }
    last = part.type;
    printed += rows.length;
    const columnDefinitions = found.find((table) => table.columnDefinitions?.length)?.columnDefinitions ?? [];
    run.out(printer!.print({ kind: "Table", columnDefinitions, rows }));
  }
  const remaining = run.flags["ignore-not-found"] ? errors.filter((error) => !isNotFoundError(error)) : errors;
  if (printed === 0 && remaining.length === 0 && !(named && run.flags["ignore-not-found"])) {
    const everywhere = run.flags["all-namespaces"] || selection.every(({ type }) => !type.namespaced);
    run.err(everywhere ? "No resources found\n" : `No resources found in ${cluster.namespace} namespace.\n`);
  }
  throwAll(remaining);
}

const isNotFoundError = (error: unknown) => (error as { reason?: unknown }).reason === "NotFound";

async function printObjects(run: GetRun, cluster: Cluster, selection: readonly Part[]): Promise<void> {
  const { flags: given } = run;
  const printer = await createPrinter(given.output, {
    noHeaders: given["no-headers"],
    showManagedFields: given["show-managed-fields"],
  });
  const errors: unknown[] = [];
  const found: KubeObject[] = [];
  for (const part of selection) {
    const narrowing = {
      selector: given.selector,
      fieldSelector: given["field-selector"],
      allNamespaces: given["all-namespaces"],
    };
    const scoped = given.filename.length > 0 ? { ...cluster, namespace: part.namespace ?? cluster.namespace } : cluster;
    if (given.subresource && part.names) {
      for (const name of part.names)
        found.push(await cluster.request<KubeObject>(request(run, part.type, part.namespace, name)));
      continue;
    }
    const objects = await objectsOf(scoped, [part], part.names ? { ...narrowing, selector: "" } : narrowing, (error) =>
      errors.push(error),
    );
    found.push(...objects.map(({ object }) => object));
  }
  const single = selection.length === 1 && selection[0]!.names?.length === 1;
  const remaining = given["ignore-not-found"] ? errors.filter((error) => !isNotFoundError(error)) : errors;
  const sorted = sortObjects(found, given["sort-by"]);
  if (single) {
    if (sorted[0]) run.out(printer.print(sorted[0]));
  } else if (sorted.length > 0 || !selection.every(({ names }) => names)) {
    const list = { apiVersion: "v1", items: sorted, kind: "List", metadata: { resourceVersion: "" } };
    run.out(printer.print(list as unknown as KubeObject));
  }
  throwAll(remaining);
}

async function watch(run: GetRun, cluster: Cluster, selection: readonly Part[]): Promise<void> {
  const [part, ...more] = selection;
  if (!part || more.length > 0 || (part.names?.length ?? 0) > 1) {
    throw new CommandError("you may only specify a single resource type");
  }
  const asTable = ["", "wide"].includes(run.flags.output);
  const headers: Record<string, string> = asTable ? { accept: TABLE.join(",") } : {};
  const name = part.names?.[0];
  const { selector, "field-selector": fieldSelector } = run.flags;
  const fields = [fieldSelector, name === undefined ? "" : `metadata.name=${name}`]
    .filter((one) => one !== "")
    .join(",");
  const print = await eventPrinter(run, part, asTable);
  const path = resourcePath(part.type, part.namespace);
  const query = queryOf({ selector, fieldSelector: fields });
  if (name !== undefined) await cluster.request(request(run, part.type, part.namespace, name));
  const listed = await cluster.request<Table | KubeObject>({ method: "GET", path, query, headers });
  if (!run.flags["watch-only"]) printListed(listed, print);
  const resourceVersion = (listed.metadata as { resourceVersion?: string } | undefined)?.resourceVersion ?? "";
  const asked: ClientRequest = { method: "GET", path, query: { ...query, watch: "true", resourceVersion }, headers };
  for await (const batch of cluster.watch(asked)) {
    for (const event of batch) if (event.type !== "BOOKMARK") print(event.type, event.object);
  }
}

type PrintEvent = (type: WatchEvent["type"], object: unknown) => void;

function printListed(listed: Table | KubeObject, print: PrintEvent): void {
  if (isTable(listed)) {
    if (listed.rows?.length) print("ADDED", listed);
    return;
  }
  const { apiVersion, kind } = listed;
  const items = (listed["items"] as KubeObject[] | undefined) ?? [];
  for (const item of items) print("ADDED", { ...item, apiVersion, kind: kind.replace(/List$/, "") });
}

async function eventPrinter(run: GetRun, part: Part, asTable: boolean): Promise<PrintEvent> {
  const withEvents = run.flags["output-watch-events"];
  if (asTable) {
    const printer = tablePrinter(run, part, false);
    const event = { name: "Event", type: "string", priority: 0 };
    return (type, object) => {
      if (!isTable(object)) return;
      if (!withEvents) return run.out(printer.print(object));
      const { columnDefinitions, rows = [] } = object;
      const wider = rows.map((row) => ({ ...row, cells: [type, ...row.cells] }));
      const columns = columnDefinitions?.length ? { columnDefinitions: [event, ...columnDefinitions] } : {};
      run.out(printer.print({ kind: "Table", ...columns, rows: wider }));
    };
  }
  const printer = await createPrinter(run.flags.output, { noHeaders: run.flags["no-headers"] });
  return (type, object) => {
    const shown = withEvents ? { object, type } : object;
    run.out(printer.printNext(shown as KubeObject));
  };
}
