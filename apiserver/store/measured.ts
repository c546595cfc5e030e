/**
 * Measured store: any store, with the time that its calls take told under the names of Kubernetes' own.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Histogram, Metrics } from "../../machinery/process/metrics.ts";
import type { Condition, Operation, Store } from "./contract.ts";

const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

export function measured(store: Store, metrics: Metrics, clock: Clock): Store {
  const durations = metrics.histogram(
    "etcd_request_duration_seconds",
    "Time that calls of the store take, whichever store it is.",
    ["operation", "group", "resource"],
    SECONDS,
  );
  const errors = metrics.counter("etcd_request_errors_total", "Calls of the store that failed.", ["operation"]);
  const byPlace = new Map<string, Histogram>();

  const durationOf = (operation: string, key: string): Histogram => {
    const end = key.lastIndexOf("/", key.length - 1);
    const place = `${operation} ${key.slice(0, end)}`;
    const known = byPlace.get(place);
    if (known) return known;
    const [, root, group = "", resource = ""] = key.split("/");
    const labels = root === "registry" ? [group === "core" ? "" : group, resource] : ["", "internal"];
    const made = durations.of(operation, ...labels);
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

  return {
    get: (key) => timed("get", key, store.get(key)),
    list: (request) => timed("list", `${request.prefix}*`, store.list(request)),
    commit: (conditions, operations, options) =>
      timed(kindOf(conditions, operations), operations[0]?.key ?? "", store.commit(conditions, operations, options)),
    watch: (request) => store.watch(request),
    history: (key) => timed("history", key, store.history(key)),
    revision: () => store.revision(),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
}

/** Namespaces of resources whose child is kept; beyond them it is looked up. */
const PLACES = 2_000;

function kindOf(conditions: readonly Condition[], [first]: readonly Operation[]): string {
  if (!first) return "check";
  if (first.type === "delete") return "delete";
  return conditions.some(({ key, modRevision }) => key === first.key && modRevision > 0) ? "update" : "create";
}
