/**
 * Sets: StatefulSets in their ways of being rolled out, some with volumes of their own.
 */
import { STORM_MS } from "../shape.ts";
import { budgetSteps } from "./around.ts";
import { type App, imagePatch, life, type Step, template } from "./steps.ts";

export function statefulSet(app: App): Step[] {
  const { from, more, name, shape } = app;
  const labels = { app: name };
  const volumes = !shape.tight && more.chance(0.45);
  const spec = {
    replicas: from.between(0, 4),
    serviceName: name,
    podManagementPolicy: from.pick(["OrderedReady", "OrderedReady", "Parallel"]),
    selector: { matchLabels: labels },
    template: template(labels, "app:1", app),
    ...rolling(app),
    ...(volumes ? claims(app) : {}),
  };
  const image = () => imagePatch(`app:${from.between(1, 4)}`);
  const scale = () => ({ spec: { replicas: from.between(0, 5) } });
  const last = { spec: { replicas: from.between(0, 5) } };
  return [
    ...life(app, "statefulsets", { spec }, [image, scale], last),
    ...(volumes && more.chance(0.5) ? lostClaim(app) : []),
    ...(more.chance(0.15) ? budgetSteps(app) : []),
  ];
}

function rolling({ more }: App): object {
  if (!more.chance(0.45)) return {};
  const rollingUpdate = more.pick([
    { partition: 1 },
    { partition: 3 },
    { maxUnavailable: 2 },
    { maxUnavailable: "50%" },
    { partition: 1, maxUnavailable: 2 },
  ]);
  const updateStrategy = more.chance(0.12) ? { type: "OnDelete" } : { type: "RollingUpdate", rollingUpdate };
  return {
    updateStrategy,
    ...(more.chance(0.3) ? { minReadySeconds: more.pick([1, 4]) } : {}),
    ...(more.chance(0.15) ? { ordinals: { start: 2 } } : {}),
  };
}

function claims({ more }: App): object {
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  return {
    volumeClaimTemplates: [{ metadata: { name: "data" }, spec }],
    persistentVolumeClaimRetentionPolicy: {
      whenDeleted: more.pick(["Retain", "Delete"]),
      whenScaled: more.pick(["Retain", "Delete", "Delete"]),
    },
  };
}

/** Somebody deletes the claim of a Pod, and then the Pod: both are made anew. */
function lostClaim({ more, namespace, name }: App): Step[] {
  const ordinal = more.between(0, 3);
  const at = more.between(10_000, STORM_MS - 10_000);
  const away = { verb: "delete", namespace, propagation: "Background" } as const;
  return [
    { at, ...away, resource: "persistentvolumeclaims", name: `data-${name}-${ordinal}` },
    { at: at + more.between(100, 9_000), ...away, resource: "pods", name: `${name}-${ordinal}` },
  ];
}
