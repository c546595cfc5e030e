/**
 * Measured admission: the time that plugins and the whole chain take, under the names of Kubernetes' own.
 *
 * A plugin that answers at once is counted with 0: reading the clock would take longer than it does.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Histogram, Metrics } from "../../machinery/process/metrics.ts";
import type { Admission, AdmissionPlugin, AdmissionRequest, AdmissionServices, Rounds } from "./contract.ts";

const SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const LABELS = ["operation", "rejected", "type"] as const;
type Type = "admit" | "validate";
type Children = (operation: string, rejected: boolean) => Histogram;

export function measuredPlugins(
  plugins: readonly AdmissionPlugin[],
  metrics: Metrics,
  clock: Clock,
): AdmissionPlugin[] {
  const family = metrics.histogram(
    "apiserver_admission_controller_admission_duration_seconds",
    "Time that an admission plugin takes.",
    ["name", ...LABELS],
    SECONDS,
  );
  const wrap = (name: string, type: Type, call: NonNullable<AdmissionPlugin["mutate"]>): typeof call => {
    const child = children((operation, rejected) => family.of(name, operation, String(rejected), type));
    return (request: AdmissionRequest, services: AdmissionServices, rounds: Rounds) => {
      let done: Promise<void> | void;
      try {
        done = call(request, services, rounds);
      } catch (error) {
        child(request.operation, true).observe(0);
        throw error;
      }
      if (done) return timed(clock, done, request, child);
      child(request.operation, false).observe(0);
    };
  };
  return plugins.map((plugin) => ({
    name: plugin.name,
    ...(plugin.mutate && { mutate: wrap(plugin.name, "admit", plugin.mutate.bind(plugin)) }),
    ...(plugin.validate && {
      validate: wrap(plugin.name, "validate", plugin.validate.bind(plugin)) as typeof plugin.validate,
    }),
  }));
}

export function measuredAdmission(admission: Admission, metrics: Metrics, clock: Clock): Admission {
  const family = metrics.histogram(
    "apiserver_admission_step_admission_duration_seconds",
    "Time that all admission plugins together take.",
    LABELS,
    SECONDS,
  );
  const [admit, validate] = (["admit", "validate"] as const).map((type) =>
    children((operation, rejected) => family.of(operation, String(rejected), type)),
  ) as [Children, Children];
  return {
    mutate: (request) => timed(clock, admission.mutate(request), request, admit),
    validate: (request) => timed(clock, admission.validate(request), request, validate),
  };
}

async function timed(clock: Clock, work: Promise<void>, { operation }: AdmissionRequest, child: Children) {
  const started = clock.monotonic();
  let rejected = true;
  try {
    await work;
    rejected = false;
  } finally {
    child(operation, rejected).observe((clock.monotonic() - started) / 1000);
  }
}

/** Found once by its two changing labels. */
function children(find: Children): Children {
  const good = new Map<string, Histogram>();
  const bad = new Map<string, Histogram>();
  return (operation, rejected) => {
    const known = rejected ? bad : good;
    let child = known.get(operation);
    if (!child) {
      child = find(operation, rejected);
      known.set(operation, child);
    }
    return child;
  };
}
