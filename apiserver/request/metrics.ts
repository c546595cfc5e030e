/**
 * Metrics: what the API server counts, under the names of Kubernetes' own.
 *
 * Children of labels are found once and kept: a request costs a few additions. Labels are bounded by the table
 * of resources: verbs, resources and codes only, never names.
 * https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { type Counter, createMetrics, type Histogram, type Metrics } from "../../machinery/process/metrics.ts";
import { addProcessMetrics } from "../../machinery/process/process-metrics.ts";
import type { Decision } from "../auth/contract.ts";
import type { WatchCache } from "../cache/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Resources } from "./contract.ts";
import type { RequestInfo } from "./path.ts";
import { version } from "./version.ts";

export interface ServerMetrics {
  /** For whoever counts something besides. */
  readonly all: Metrics;
  /** A request that ends soon begins; the function that is returned is called when it has its answer. */
  begun(readOnly: boolean): () => void;
  answered(asked: Answered, code: number, seconds: number): void;
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

const VERBS: Readonly<Record<string, string>> = { create: "POST", update: "PUT" };
/** Subresources that leave HTTP, or hold it open. */
const CONNECTS: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "proxy"]);
/** Paths outside the API that are worth a label. */
const PLAIN = /^\/(healthz|livez|readyz|metrics|version|openapi\/v[23]|apis?)(?=\/|$)/;

interface RequestSeries {
  readonly seconds: Histogram;
  readonly codes: Map<number, Counter>;
  readonly labels: readonly string[];
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
    const made: RequestSeries = { seconds: durations.of(...labels), codes: new Map(), labels };
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
  return (resources, cache) => {
    revision.value = Number(cache.resourceVersion());
    for (const row of resources.rows) {
      if (row.virtual) continue;
      const { size, description } = resources.cache(row);
      const compared = cache.consistency.get(description.prefix);
      for (const status of ["success", "failure", "error"] as const)
        if (compared?.[status]) checks.of(row.group, row.plural, status).value = compared[status];
      objects.of(row.group, row.plural).value = size;
      before.of(row.group ? `${row.plural}.${row.group}` : row.plural).value = size;
    }
  };
}

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
