/**
 * Measured store: any store, with the time that its calls take told under the names of Kubernetes' own.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Histogram, Metrics } from "../../machinery/process/metrics.ts";
import type { Condition, ListRequest, ListResult, Operation, Store } from "./contract.ts";

const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

export function measured(store: Store, metrics: Metrics, clock: Clock): Store {
  const durations = metrics.histogram(
    "etcd_request_duration_seconds",
    "Time that calls of the store take, whichever store it is.",
    ["operation", "group", "resource"],
    SECONDS,
  );
  const errors = metrics.counter("etcd_request_errors_total", "Calls of the store that failed.", ["operation"]);
  const lists = ["total", "fetched_objects_total", "evaluated_objects_total", "returned_objects_total"].map((what) =>
    metrics.counter(`apiserver_storage_list_${what}`, LIST_HELP[what] as string, ["group", "resource"]),
  );
  tellSize(store, metrics);
  const byPlace = new Map<string, Histogram>();

  const durationOf = (operation: string, key: string): Histogram => {
    const end = key.lastIndexOf("/", key.length - 1);
    const place = `${operation} ${key.slice(0, end)}`;
    const known = byPlace.get(place);
    if (known) return known;
    const made = durations.of(operation, ...labelsOf(key));
    if (byPlace.size < PLACES) byPlace.set(place, made);
    return made;
  };

  const timed = async <T>(operation: string, key: string, work: Promise<T>): Promise<T> => {
    const started = clock.monotonic();
    try {
      return await work;
    } catch (error) {
      errors.of(operation).value++;
      throw error;
    } finally {
      durationOf(operation, key).observe((clock.monotonic() - started) / 1000);
    }
  };

  const listed = async (request: ListRequest): Promise<ListResult> => {
    const result = await store.list(request);
    const labels = labelsOf(`${request.prefix}*`);
    for (const [index, family] of lists.entries())
      family.of(...labels).value += index === 0 ? 1 : result.entries.length;
    return result;
  };

  return {
    get: (key) => timed("get", key, store.get(key)),
    list: (request) => timed("list", `${request.prefix}*`, listed(request)),
    commit: (conditions, operations, options) =>
      timed(kindOf(conditions, operations), operations[0]?.key ?? "", store.commit(conditions, operations, options)),
    watch: (request) => store.watch(request),
    history: (key) => timed("history", key, store.history(key)),
    revision: () => store.revision(),
    ...(store.size ? { size: () => store.size?.() as Promise<number> } : {}),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
}

const LIST_HELP: Readonly<Record<string, string>> = {
  total: "Number of LIST requests served from storage",
  fetched_objects_total: "Number of objects read from storage in the course of serving a LIST request",
  evaluated_objects_total: "Number of objects tested in the course of serving a LIST request from storage",
  returned_objects_total: "Number of objects returned for a LIST request from storage",
};

function labelsOf(key: string): readonly [string, string] {
  const [, root, group = "", resource = ""] = key.split("/");
  if (root !== "registry") return ["", "internal"];
  return resource === "" ? ["", "all"] : [group === "core" ? "" : group, resource];
}

/** Under the name of today and that of dashboards. A store that does not answer is told of elsewhere. */
function tellSize(store: Store, metrics: Metrics): void {
  if (!store.size) return;
  const help = "Total size of the storage database file physically allocated in bytes.";
  const gauges = [
    metrics.gauge("apiserver_storage_size_bytes", help, ["storage_cluster_id"]).of("etcd-0"),
    metrics.gauge("apiserver_storage_db_total_size_in_bytes", help, ["endpoint"]).of("etcd-0"),
  ];
  metrics.onRead(async () => {
    const size = await store.size?.().catch(() => undefined);
    if (size !== undefined) for (const gauge of gauges) gauge.value = size;
  });
}

/** Namespaces of resources whose child is kept; beyond them it is looked up. */
const PLACES = 2_000;

function kindOf(conditions: readonly Condition[], [first]: readonly Operation[]): string {
  if (!first) return "check";
  if (first.type === "delete") return "delete";
  return conditions.some(({ key, modRevision }) => key === first.key && modRevision > 0) ? "update" : "create";
}
