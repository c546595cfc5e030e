/**
 * Workload: what users ask of a simulated cluster: objects made, changed and deleted at certain times.
 *
 * Steps are data, chosen by the seed. At the end of the storm users ask for nothing that cannot be: images that
 * never get ready are mended, quotas raised, paused rollouts go on; so there is one state to come to rest in.
 */
import type { Shape } from "./plan.ts";
import { STORM_MS } from "./plan.ts";
import { type Random, random } from "./random.ts";

export type Change =
  | {
      readonly verb: "create";
      readonly resource: string;
      readonly namespace: string;
      readonly name: string;
      readonly body: object;
    }
  | {
      readonly verb: "patch";
      readonly resource: string;
      readonly namespace: string;
      readonly name: string;
      readonly body: object;
    }
  | {
      readonly verb: "delete";
      readonly resource: string;
      readonly namespace: string;
      readonly name: string;
      readonly propagation: "Background" | "Foreground" | "Orphan";
    };

export type Step = { readonly at: number } & Change;

export const TEAM = "team";
const DEFAULT = "default";

export function stepsOf(seed: number, shape: Shape): Step[] {
  const from = random(seed, "workload");
  const makers = [deployment, job, statefulSet, daemonSet, replicaSet];
  const chosen = makers.filter((_, index) => from.chance([0.7, 0.4, 0.4, 0.2, 0.15][index] as number));
  const apps = (chosen.length > 0 ? chosen : [deployment]).flatMap((make, index) => {
    const namespace = shape.quota && from.chance(0.5) ? TEAM : DEFAULT;
    return make({ from, namespace, name: `${make.name.toLowerCase()}-${index}` });
  });
  const team = shape.quota ? teamSteps(from) : [];
  return [...team, ...apps].sort((one, other) => one.at - other.at);
}

interface App {
  readonly from: Random;
  readonly namespace: string;
  readonly name: string;
}

type Resource = "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "jobs";

const CPU = ["50m", "100m", "250m"];

const template = (labels: object, image: string, from: Random, more: object = {}) => ({
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: from.between(1, 10),
    containers: [{ name: "c", image, resources: { requests: { cpu: from.pick(CPU) } } }],
    ...more,
  },
});

const imagePatch = (image: string) => ({ spec: { template: { spec: { containers: [{ name: "c", image }] } } } });

/** Changes in the course of the storm, and the last word at its end. */
function life(app: App, resource: Resource, body: object, changes: readonly (() => object)[], last: object): Step[] {
  const { from, namespace, name } = app;
  const target = { resource, namespace, name };
  const start = from.between(100, 5_000);
  const steps: Step[] = [{ at: start, verb: "create", ...target, body }];
  let gone = false;
  for (let count = from.between(0, 7), at = start; count > 0; count--) {
    at += from.between(500, STORM_MS / 5);
    if (at >= STORM_MS) break;
    if (from.chance(0.1)) {
      const propagation = from.pick(["Background", "Background", "Foreground", "Orphan"] as const);
      steps.push({ at, verb: "delete", ...target, propagation: resource === "jobs" ? "Background" : propagation });
      gone = from.chance(0.4);
      if (gone) break;
      at += from.between(0, 3_000);
      steps.push({ at, verb: "create", ...target, body });
    } else steps.push({ at, verb: "patch", ...target, body: from.pick(changes)() });
  }
  if (!gone) steps.push({ at: STORM_MS + 1_000, verb: "patch", ...target, body: last });
  return steps;
}

function deployment(app: App): Step[] {
  const { from, name } = app;
  const labels = { app: name };
  const [maxSurge, maxUnavailable] = from.pick([
    [1, 0],
    [0, 1],
    ["25%", "25%"],
    [2, 1],
    ["50%", 0],
    [0, "50%"],
    [1, 1],
  ] as const);
  const strategy = from.chance(0.12)
    ? { type: "Recreate" }
    : { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
  const spec = {
    replicas: from.between(0, 8),
    strategy,
    minReadySeconds: from.pick([0, 0, 0, 2, 5]),
    progressDeadlineSeconds: from.between(20, 60),
    revisionHistoryLimit: from.pick([0, 2, 10]),
    selector: { matchLabels: labels },
    template: template(labels, "app:1", from),
  };
  const image = () => imagePatch(from.chance(0.15) ? "app:never-ready" : `app:${from.between(1, 4)}`);
  const scale = () => ({ spec: { replicas: from.between(0, 9) } });
  const pause = () => ({ spec: { paused: from.chance(0.5) } });
  const last = { spec: { paused: false, ...imagePatch(`app:${from.between(1, 5)}`).spec } };
  const service: Step = {
    at: from.between(100, 8_000),
    verb: "create",
    resource: "services",
    namespace: app.namespace,
    name,
    body: { spec: { selector: labels, ports: [{ port: 80 }] } },
  };
  return [...life(app, "deployments", { spec }, [image, image, image, scale, scale, pause], last), service];
}

function replicaSet(app: App): Step[] {
  const { from, name } = app;
  const labels = { app: name };
  const spec = {
    replicas: from.between(0, 6),
    selector: { matchLabels: labels },
    template: template(labels, "app:1", from),
  };
  const scale = () => ({ spec: { replicas: from.between(0, 8) } });
  return life(app, "replicasets", { spec }, [scale], scale());
}

function statefulSet(app: App): Step[] {
  const { from, name } = app;
  const labels = { app: name };
  const spec = {
    replicas: from.between(0, 4),
    serviceName: name,
    podManagementPolicy: from.pick(["OrderedReady", "OrderedReady", "Parallel"]),
    selector: { matchLabels: labels },
    template: template(labels, "app:1", from),
  };
  const image = () => imagePatch(`app:${from.between(1, 4)}`);
  const scale = () => ({ spec: { replicas: from.between(0, 5) } });
  return life(app, "statefulsets", { spec }, [image, scale], { spec: { replicas: from.between(0, 5) } });
}

function daemonSet(app: App): Step[] {
  const { from, name } = app;
  const labels = { app: name };
  const spec = {
    selector: { matchLabels: labels },
    updateStrategy: {
      type: "RollingUpdate",
      rollingUpdate: from.pick([{ maxUnavailable: 1 }, { maxSurge: 1, maxUnavailable: 0 }]),
    },
    template: template(labels, "app:1", from),
  };
  const image = () => imagePatch(`app:${from.between(1, 4)}`);
  return life(app, "daemonsets", { spec }, [image], image());
}

/** Images "work:SECONDS" end after that; some fail by the Pod's uid: nodes.ts. */
function job(app: App): Step[] {
  const { from, name } = app;
  const indexed = from.chance(0.6);
  const completions = from.between(1, 6);
  const kind = from.chance(0.35) ? "flaky" : "work";
  const spec = {
    completions,
    parallelism: from.between(1, 4),
    completionMode: indexed ? "Indexed" : "NonIndexed",
    backoffLimit: from.between(0, 6),
    ...(from.chance(0.2) ? { ttlSecondsAfterFinished: from.between(0, 20) } : {}),
    ...(from.chance(0.25) ? { podReplacementPolicy: "Failed" } : {}),
    template: template({ app: name }, `${kind}:${from.between(1, 8)}`, from, { restartPolicy: "Never" }),
  };
  const parallelism = () => ({ spec: { parallelism: from.between(1, 5) } });
  const suspend = () => ({ spec: { suspend: from.chance(0.5) } });
  return life(app, "jobs", { spec }, [parallelism, suspend], {
    spec: { suspend: false, parallelism: from.between(1, 5) },
  });
}

/** A namespace with a quota, which may be deleted and made again. */
function teamSteps(from: Random): Step[] {
  const target = { namespace: "", resource: "namespaces", name: TEAM };
  const quota = { resource: "resourcequotas", namespace: TEAM, name: "few" };
  const steps: Step[] = [
    { at: 10, verb: "create", ...target, body: {} },
    {
      at: 50,
      verb: "create",
      ...quota,
      body: { spec: { hard: { pods: String(from.between(2, 8)), "requests.cpu": "3" } } },
    },
  ];
  if (from.chance(0.2)) {
    const at = from.between(STORM_MS / 3, STORM_MS);
    steps.push({ at, verb: "delete", ...target, propagation: "Background" });
  } else
    steps.push({
      at: STORM_MS + 500,
      verb: "patch",
      ...quota,
      body: { spec: { hard: { pods: "100", "requests.cpu": "100" } } },
    });
  return steps;
}
