/**
 * Metrics: what the API server counts, under the names of Kubernetes' own.
 *
 * Children of labels are found once and kept: a request costs a few additions. Labels are bounded by the table
 * of resources: verbs, resources and codes only, never names.
 * https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { type Counter, createMetrics, type Histogram, type Metrics } from "../../machinery/process/metrics.ts";
import { addProcessMetrics } from "../../machinery/process/process-metrics.ts";
import type { Decision } from "../auth/contract.ts";
import type { ResourceCache, WatchCache } from "../cache/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Resources } from "./contract.ts";
import type { RequestInfo } from "./path.ts";
import { version } from "./version.ts";

export interface ServerMetrics {
  /** For whoever counts something besides. */
  readonly all: Metrics;
  /** A request that ends soon begins; the function that is returned is called when it has its answer. */
  begun(readOnly: boolean): () => void;
  /** Gives whom to tell of the answer's size, for what is read. */
  answered(asked: Answered, code: number, seconds: number): Sized | undefined;
  /** Whom to tell of events that go out to watchers of the resource. */
  eventsSent(row: ResourceRow): (events: number, bytes: number) => void;
  authenticated(result: "success" | "error", user: string): void;
  authorized(kind: Decision["kind"]): void;
  /** Watches that are open now go up and down by one; `resource` is "pods" or "deployments.apps". */
  watching(resource: string, change: 1 | -1): void;
  text(resources: Resources, cache: WatchCache): Promise<string>;
}

export interface Answered {
  readonly info: RequestInfo | undefined;
  /** Undefined where nothing is served under that name. */
  readonly row: ResourceRow | undefined;
  readonly dryRun: boolean;
  readonly apply: boolean;
}

const REQUEST_LABELS = [
  "verb",
  "dry_run",
  "group",
  "version",
  "resource",
  "subresource",
  "scope",
  "component",
] as const;
export const SECONDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

type Sized = Pick<Histogram, "observe">;

/** Most kinds are read by components of the process alone, without bytes: they get no series of zeros. */
function lazily(make: () => Histogram): Sized {
  let made: Histogram | undefined;
  return {
    observe(value, times) {
      made ??= make();
      made.observe(value, times);
    },
  };
}

const SIZE_LABELS = REQUEST_LABELS.filter((name) => name !== "dry_run");
const powers = (first: number, factor: number, count: number) =>
  Array.from({ length: count }, (_, power) => first * factor ** power);
const RESPONSE_BYTES = powers(1000, 10, 7);
const EVENT_BYTES = powers(1024, 2, 8);

const VERBS: Readonly<Record<string, string>> = { create: "POST", update: "PUT" };
/** Subresources that leave HTTP, or hold it open. */
const CONNECTS: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "proxy"]);
/** Paths outside the API that are worth a label. */
const PLAIN = /^\/(healthz|livez|readyz|metrics|version|openapi\/v[23]|apis?)(?=\/|$)/;

interface RequestSeries {
  readonly seconds: Histogram;
  readonly codes: Map<number, Counter>;
  readonly labels: readonly string[];
  /** Of gets and lists. */
  readonly sizes: Sized | undefined;
}

export function createServerMetrics(clock: Clock, all: Metrics = createMetrics()): ServerMetrics {
  addProcessMetrics(all, clock);
  const { major, minor, gitVersion, platform } = version;
  const about = ["major", "minor", "git_version", "platform"];
  all.gauge("kubernetes_build_info", "What is running.", about).of(major, minor, gitVersion, platform).value = 1;

  const totals = all.counter("apiserver_request_total", "Requests, by code.", [...REQUEST_LABELS, "code"]);
  const durations = all.histogram(
    "apiserver_request_duration_seconds",
    "Time until a request's answer began.",
    REQUEST_LABELS,
    SECONDS,
  );
  const sizes = all.histogram(
    "apiserver_response_sizes",
    "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.",
    SIZE_LABELS,
    RESPONSE_BYTES,
  );
  const eventLabels = ["group", "version", "kind"];
  const events = all.counter("apiserver_watch_events_total", "Number of events sent in watch clients", eventLabels);
  const eventSizes = all.histogram(
    "apiserver_watch_events_sizes",
    "Watch event size distribution in bytes",
    eventLabels,
    EVENT_BYTES,
  );
  const senders = new WeakMap<ResourceRow, (events: number, bytes: number) => void>();
  const inFlight = all.gauge("apiserver_current_inflight_requests", "Requests being answered.", ["request_kind"]);
  const [reading, mutating] = [inFlight.of("readOnly"), inFlight.of("mutating")];
  const attempts = all.counter("authentication_attempts", "Authentications.", ["result"]);
  const users = all.counter("authenticated_user_requests", "Requests by user.", ["username"]);
  const decisions = all.counter("authorization_attempts_total", "Authorizations.", ["result"]);
  const outcomes = {
    allow: decisions.of("allowed"),
    deny: decisions.of("denied"),
    noOpinion: decisions.of("no-opinion"),
  } as const;
  const results = { success: attempts.of("success"), error: attempts.of("error") } as const;
  const [administrators, others] = [users.of("admin"), users.of("other")];
  const longRunning = all.gauge("apiserver_longrunning_requests", "Open watches.", ["verb", "group", "resource"]);
  const watches = new Map<string, Counter>();
  const readStored = storedObjects(all);

  const byRow = new WeakMap<ResourceRow, Map<string, RequestSeries>>();
  const plain = new Map<string, RequestSeries>();

  const seriesOf = ({ info, row, dryRun, apply }: Answered): RequestSeries => {
    const scope = info ? scopeOf(info) : "";
    const known = (row && byRow.get(row)) ?? (row ? new Map<string, RequestSeries>() : plain);
    if (row) byRow.set(row, known);
    const subresource = row ? (info?.subresource ?? "") : (PLAIN.exec(info?.path ?? "")?.[0] ?? "");
    const key = `${info?.verb}${apply ? "+" : ""}${dryRun ? "-" : ""}${scope}/${subresource}`;
    const found = known.get(key);
    if (found) return found;
    const labels = [
      verbOf(info, apply),
      dryRun ? "All" : "",
      row?.group ?? "",
      row?.version ?? "",
      row?.plural ?? "",
      subresource,
      row ? scope : "",
      "apiserver",
    ];
    const read = info?.isResource && (info.verb === "get" || info.verb === "list") && row !== undefined;
    const made: RequestSeries = {
      seconds: durations.of(...labels),
      codes: new Map(),
      labels,
      sizes: read
        ? lazily(() => sizes.of(...labels.filter((_, index) => REQUEST_LABELS[index] !== "dry_run")))
        : undefined,
    };
    if (known.size < SERIES) known.set(key, made);
    return made;
  };

  return {
    all,
    begun(readOnly) {
      const gauge = readOnly ? reading : mutating;
      gauge.value++;
      return () => {
        gauge.value--;
      };
    },
    answered(asked, code, seconds) {
      const series = seriesOf(asked);
      let total = series.codes.get(code);
      if (!total) {
        total = totals.of(...series.labels, String(code));
        series.codes.set(code, total);
      }
      total.value++;
      series.seconds.observe(seconds);
      return series.sizes;
    },
    eventsSent(row) {
      const known = senders.get(row);
      if (known) return known;
      const labels = [row.group, row.version, row.kind];
      const size = lazily(() => eventSizes.of(...labels));
      let count: Counter | undefined;
      // Events that go out together are told by their average: mostly there is one.
      const sent = (number: number, bytes: number) => {
        if (number === 0) return;
        count ??= events.of(...labels);
        count.value += number;
        size.observe(bytes / number, number);
      };
      senders.set(row, sent);
      return sent;
    },
    authenticated(result, user) {
      results[result].value++;
      if (result === "success") (user === "admin" ? administrators : others).value++;
    },
    authorized(kind) {
      outcomes[kind].value++;
    },
    watching(resource, change) {
      let open = watches.get(resource);
      if (!open) {
        const dot = resource.indexOf(".");
        open =
          dot < 0
            ? longRunning.of("WATCH", "", resource)
            : longRunning.of("WATCH", resource.slice(dot + 1), resource.slice(0, dot));
        if (watches.size < SERIES) watches.set(resource, open);
      }
      open.value += change;
    },
    text(resources, cache) {
      readStored(resources, cache);
      return all.text();
    },
  };
}

/** Verbs, scopes and subresources of one resource; clients may make some up. */
const SERIES = 500;

function storedObjects(all: Metrics): (resources: Resources, cache: WatchCache) => void {
  const objects = all.gauge("apiserver_resource_objects", "Stored objects.", ["group", "resource"]);
  const before = all.gauge("apiserver_storage_objects", "Stored objects, under the older name.", ["resource"]);
  const revision = all.gauge("apiserver_watch_cache_resource_version", "What the watch cache has seen.").of();
  const checks = all.counter(
    "apiserver_storage_consistency_checks_total",
    "Comparisons of the watch cache with the store.",
    ["group", "resource", "status"],
  );
  const labels = ["group", "resource"];
  const capacity = all.gauge("apiserver_watch_cache_capacity", "Events that are kept for watches at most.", labels);
  const received = all.counter(
    "apiserver_watch_cache_events_received_total",
    "Events that came from the store.",
    labels,
  );
  const dispatched = all.counter("apiserver_watch_cache_events_dispatched_total", "Events shown to watchers.", labels);
  const loads = all.counter("apiserver_watch_cache_initializations_total", "Times that all was loaded.", labels);
  return (resources, cache) => {
    revision.value = Number(cache.resourceVersion());
    for (const row of resources.rows) {
      if (row.virtual) continue;
      const { size, description, ...counted } = countsOf(resources.cache(row));
      capacity.of(row.group, row.plural).value = limits.watchWindowEvents;
      received.of(row.group, row.plural).value = counted.events;
      dispatched.of(row.group, row.plural).value = counted.events;
      loads.of(row.group, row.plural).value = counted.loads;
      const compared = cache.consistency.get(description.prefix);
      for (const status of ["success", "failure", "error"] as const)
        if (compared?.[status]) checks.of(row.group, row.plural, status).value = compared[status];
      objects.of(row.group, row.plural).value = size;
      before.of(row.group ? `${row.plural}.${row.group}` : row.plural).value = size;
    }
  };
}

/** Every change of the cache but loading is an event, and is shown to all at once. */
const countsOf = ({ size, description, generation, loads }: ResourceCache) => ({
  size,
  description,
  loads,
  events: Math.max(0, generation - loads),
});

function verbOf(info: RequestInfo | undefined, apply: boolean): string {
  if (!info) return "GET";
  if (info.isResource && CONNECTS.has(info.subresource)) return "CONNECT";
  return apply ? "APPLY" : (VERBS[info.verb] ?? info.verb.toUpperCase());
}

/** As Kubernetes cleans it: what was created, one object, a namespace's or the cluster's. */
function scopeOf({ isResource, verb, name, namespace }: RequestInfo): string {
  if (!isResource) return "";
  if (name !== "" || verb === "create") return "resource";
  return namespace === "" ? "cluster" : "namespace";
}
