/**
 * Rolling: Deployments, ReplicaSets and DaemonSets, with Services, budgets and autoscalers of Deployments.
 */
import { autoscalerSteps, budgetSteps } from "./around.ts";
import { type App, imagePatch, life, type Step, template } from "./steps.ts";

export function deployment(app: App): Step[] {
  const { from, more, name } = app;
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
    template: template(labels, "app:1", app),
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
  return [
    ...life(app, "deployments", { spec }, [image, image, image, scale, scale, pause], last),
    ...(more.chance(0.6) ? [service] : []),
    ...(more.chance(0.25) ? budgetSteps(app) : []),
    ...(!app.shape.tight && more.chance(0.1) ? autoscalerSteps(app) : []),
  ];
}

export function replicaSet(app: App): Step[] {
  const { from, name } = app;
  const labels = { app: name };
  const spec = {
    replicas: from.between(0, 6),
    selector: { matchLabels: labels },
    template: template(labels, "app:1", app),
  };
  const scale = () => ({ spec: { replicas: from.between(0, 8) } });
  return life(app, "replicasets", { spec }, [scale], scale());
}

export function daemonSet(app: App): Step[] {
  const { from, more, name } = app;
  const labels = { app: name };
  const plain = from.pick([{ maxUnavailable: 1 }, { maxSurge: 1, maxUnavailable: 0 }]);
  const other = [{ maxUnavailable: 2 }, { maxUnavailable: "50%" }, { maxSurge: 2, maxUnavailable: 0 }];
  const spec = {
    selector: { matchLabels: labels },
    ...(more.chance(0.3) ? { minReadySeconds: more.pick([1, 3]) } : {}),
    updateStrategy: { type: "RollingUpdate", rollingUpdate: atOnce(more.chance(0.5) ? more.pick(other) : plain, app) },
    template: template(labels, "app:1", app),
  };
  const image = () => imagePatch(`app:${from.between(1, 4)}`);
  return life(app, "daemonsets", { spec }, [image], image());
}

/** Of many nodes more at a time: one after the other would take longer than anybody waits for the end. */
const atOnce = (rollingUpdate: { readonly maxSurge?: number }, { shape }: App): object =>
  shape.nodes <= 20
    ? rollingUpdate
    : rollingUpdate.maxSurge
      ? { maxSurge: "20%", maxUnavailable: 0 }
      : { maxUnavailable: "20%" };
