/**
 * Around at rest: endpoints, quotas and budgets say what is, and autoscalers have found their size.
 */
import type { PodDisruptionBudget } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { desiredHealthy, expectedPods, hasPod } from "../invariants/budget-of.ts";
import { loadOf } from "../workload/around.ts";
import { active, ready, type Scene, waits } from "./scene.ts";

export function endpoints({ objects }: Scene): string | undefined {
  for (const service of objects.of("services")) {
    const { namespace, name } = service.metadata;
    const selector = Object.entries(service.spec?.selector ?? {});
    if (selector.length === 0) continue;
    const selected = ready(
      objects
        .of("pods")
        .filter(
          ({ metadata }) =>
            metadata.namespace === namespace && selector.every(([key, value]) => metadata.labels?.[key] === value),
        ),
    );
    const slices = objects
      .of("endpointslices")
      .filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["kubernetes.io/service-name"] === name,
      );
    const told = slices.flatMap((slice) => slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready);
    const addresses = (all: readonly (string | undefined)[]) => [...all].sort().join();
    if (addresses(told.map(({ addresses: [one] }) => one)) !== addresses(selected.map(({ status }) => status?.podIP)))
      return `Service ${name} tells ${told.length} ready endpoints of ${selected.length}`;
  }
  return undefined;
}

export function quotas({ objects }: Scene): string | undefined {
  for (const quota of objects.of("resourcequotas")) {
    const here = objects.of("pods").filter(({ metadata }) => metadata.namespace === quota.metadata.namespace);
    const used = quota.status?.used?.["pods"];
    const really = String(active(here).length);
    if (used !== really) return `quota ${quota.metadata.name} reports ${used} Pods of ${really}`;
  }
  return undefined;
}

export function budgets(scene: Scene): string | undefined {
  for (const budget of scene.objects.of("poddisruptionbudgets")) {
    const why = budgetUnrest(budget, scene);
    if (why) return `PodDisruptionBudget ${budget.metadata.name} ${why}`;
  }
  return undefined;
}

function budgetUnrest(budget: PodDisruptionBudget, scene: Scene): string | undefined {
  const { metadata, status } = budget;
  const mine = scene.objects.of("pods").filter((pod) => hasPod(budget, pod));
  if (waits(mine, scene)) return undefined;
  const healthy = ready(mine).length;
  const desired = desiredHealthy(budget, scene.objects);
  const { currentHealthy, disruptionsAllowed, observedGeneration, disruptedPods = {} } = status ?? {};
  if (observedGeneration !== metadata.generation) return "reports on an older generation";
  if (currentHealthy !== healthy) return `reports ${currentHealthy} healthy Pods of ${healthy}`;
  if (Object.keys(disruptedPods).length > 0) return `still awaits the end of ${Object.keys(disruptedPods).join()}`;
  // a share is one of what the owners ask for: of Pods that nobody owns, Kubernetes lets none go
  const expected = typeof budget.spec?.minAvailable === "number" ? mine.length : expectedPods(budget, scene.objects);
  const allowed = expected === 0 ? 0 : Math.max(0, healthy - desired);
  return disruptionsAllowed === allowed ? undefined : `allows ${disruptionsAllowed} disruptions of ${allowed}`;
}

export function autoscalers(scene: Scene): string | undefined {
  const { objects, seed, elapsed } = scene;
  for (const { metadata, spec } of objects.of("horizontalpodautoscalers")) {
    const { name = "" } = spec?.scaleTargetRef ?? {};
    const target = objects.get("deployments", metadata.namespace, name);
    const size = target?.spec?.replicas ?? 1;
    if (!target || size === 0) continue;
    const asked = Math.ceil(loadOf(seed, name, elapsed));
    const wanted = Math.min(Math.max(asked, spec?.minReplicas ?? 1), spec?.maxReplicas ?? 1);
    const pods = objects.of("replicasets").filter((set) => controllerOf(set)?.uid === target.metadata.uid);
    if (
      waits(
        pods.flatMap((set) => objects.podsOf(set.metadata.uid)),
        scene,
      )
    )
      continue;
    if (size !== wanted) return `autoscaler ${metadata.name} leaves ${size} Pods, its load asks for ${wanted}`;
  }
  return undefined;
}
