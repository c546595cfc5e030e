/**
 * DaemonSet: a Pod on every node that fits, replaced within fences when the template changes.
 *
 * It never creates or deletes while its cache does not show what it asked for before (expectations), so a lagging
 * cache never puts a second Pod on a node. The scheduler places the Pods, each on the one node that it was made
 * for. The decisions are pure: daemonset-nodes.ts (where), -plan.ts (what is done next), -status.ts; former
 * templates: controller-revision.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
 */
import { type Change, keyOf, type Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { createExpectations, type Expectations, OVERDUE_MS } from "../machinery/loop/expectations.ts";
import type { ControllerRevision, DaemonSet, Node, Pod } from "../machinery/objects/kinds.ts";
import { fromLabelSelector, isEverything } from "../machinery/objects/selectors.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import {
  equalRevisions,
  ownersOfRevision,
  ownRevisions,
  presentRevision,
  REVISION_LABEL,
  type RevisedKind,
  truncateHistory,
} from "./controller-revision.ts";
import { createDaemonBackoff, type DaemonBackoff } from "./daemonset-backoff.ts";
import { drafter, fitter, matters, nodeOf, podPrefix } from "./daemonset-nodes.ts";
import { byNode, type Plan, planOf, type View } from "./daemonset-plan.ts";
import { type DaemonSetStatus, nextAvailable, statusOf } from "./daemonset-status.ts";
import { observe, ownersConcerned } from "./owners-concerned.ts";
import { createPodCreations, isStill, type PodCreations } from "./pod-creations.ts";
import { createPodDeletions, type PodDeletions } from "./pod-deletions.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = {
  readonly daemonsets: Lister<DaemonSet>;
  readonly pods: Lister<Pod>;
  readonly nodes: Lister<Node>;
  readonly controllerrevisions: Lister<ControllerRevision>;
} & Services;

type Listers = Readonly<Record<string, unknown>>;

/** What was asked of the server and may not be in the cache, and which nodes refuse Pods. */
interface Asked {
  readonly expectations: Expectations;
  readonly creations: PodCreations;
  readonly deletions: PodDeletions;
  readonly backoff: DaemonBackoff;
}

const REVISED: RevisedKind = { resource: "daemonsets", hashLabel: REVISION_LABEL };

/** Most Pods created, and most deleted, in one go. */
const BURST = 250;

export function daemonSetController(): Controller {
  const expectations = createExpectations();
  const creations = createPodCreations(expectations);
  const deletions = createPodDeletions(expectations);
  const backoff = createDaemonBackoff();
  const asked: Asked = { expectations, creations, deletions, backoff };
  return defineController({
    name: "daemonset-controller",
    workers: 2,
    paced: true,
    watches: {
      daemonsets: ({ key, type }) => {
        if (type === "deleted") for (const one of [creations, deletions, backoff]) one.forget(key);
        return [key];
      },
      pods: (change, listers) => {
        observe(change, "daemonsets", asked);
        return ownersConcerned(change, "daemonsets", setsIn(listers));
      },
      nodes: (change, listers) => setsOfNode(change, setsIn(listers)),
      controllerrevisions: (change, listers) => ownersOfRevision(change, REVISED, setsIn(listers)),
    },

    async reconcile(key, context): Promise<Outcome> {
      const set = context.daemonsets.get(key);
      if (!set || set.metadata.deletionTimestamp) return done;
      if (isEverything(fromLabelSelector(set.spec?.selector))) return selectsAll(set, context);

      await creations.settle(key, set, context);
      await deletions.settle(key, context);
      if (!isStill(set, context.daemonsets.get(key))) return done;
      const settled = expectations.satisfied(key, context.clock.monotonic());

      const history = await ownRevisions(REVISED, set, context);
      const present = await presentRevision(REVISED, set, history, context);
      if (!present) return done;
      const { revision, collisionCount } = present;
      const own = await ownPods(set, context);
      const hashes = new Set([revision, ...equalRevisions(set, history)].map(hashOf));
      const view = viewOf(key, set, own, hashes, context, asked);

      const failure = settled ? await carryOut(key, set, planOf(view), hashOf(revision), context, asked) : undefined;
      if (settled && !failure) await truncate(set, own, history, hashes, context);

      await report(set, statusOf(view, collisionCount, settled), context);
      if (failure) throw failure.error;
      return nextLook(key, view, context, asked);
    },
  });
}

const setsIn = (listers: Listers) => listers["daemonsets"] as Lister<DaemonSet>;
const hashOf = ({ metadata }: ControllerRevision): string => metadata.labels?.[REVISION_LABEL] ?? metadata.name;

/** Sets for which the node fits otherwise than before. */
function setsOfNode({ object: node, old, type }: Change<Node>, sets: Lister<DaemonSet>): string[] {
  if (type === "updated" && !matters(node, old)) return [];
  return sets
    .list()
    .filter((set) => {
      const fits = fitter(set);
      const now = fits(node);
      if (type !== "updated" || !old) return now.run || now.stay;
      const before = fits(old);
      return now.run !== before.run || now.stay !== before.stay;
    })
    .map(keyOf);
}

function selectsAll(set: DaemonSet, { events }: Context): Outcome {
  events.warning(set, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.");
  return done;
}

async function ownPods(set: DaemonSet, { client, pods }: Context): Promise<Pod[]> {
  const candidates = claimable(set, pods);
  const selector = fromLabelSelector(set.spec?.selector);
  return claim({ client, ownerResource: "daemonsets", owner: set, selector, resource: "pods", candidates });
}

function viewOf(
  key: string,
  set: DaemonSet,
  own: readonly Pod[],
  hashes: ReadonlySet<string>,
  { nodes, clock }: Context,
  { backoff }: Asked,
): View {
  const fits = fitter(set);
  const monotonic = clock.monotonic();
  return {
    set,
    nodes: new Map(nodes.list().map((node) => [node.metadata.name, fits(node)])),
    pods: byNode(own),
    hashes,
    now: clock.now(),
    mayRetry: (node) => backoff.wait(key, node, monotonic) === 0,
  };
}

interface Failure {
  readonly error: unknown;
}

async function carryOut(
  key: string,
  set: DaemonSet,
  { create, remove, ended }: Plan,
  hash: string,
  context: Context,
  { creations, deletions, backoff }: Asked,
): Promise<Failure | undefined> {
  const { events, clock } = context;
  const going = remove.slice(0, BURST);
  for (const pod of ended.filter((one) => going.includes(one))) {
    tellEnded(set, pod, context);
    if (pod.status?.phase === "Failed") backoff.replaced(key, nodeOf(pod)!, clock.monotonic());
  }
  const draft = drafter(set, hash);
  const wanted = create.slice(0, BURST).map((node) => ({
    prefix: podPrefix(set),
    draft: (name: string) => draft(node, name),
    made: (name: string) => events.normal(set, "SuccessfulCreate", `Created pod: ${name}`),
  }));
  const [made, gone] = await Promise.all([
    creations.create(key, set, wanted, context),
    deletions.delete(key, set, going, context),
  ]);
  if (made.error !== undefined && !isTerminatingNamespace(made.error)) {
    events.warning(set, "FailedCreate", `Error creating: ${(made.error as Error).message}`);
    return { error: made.error };
  }
  return gone.error === undefined ? undefined : { error: gone.error };
}

function tellEnded(set: DaemonSet, pod: Pod, { events }: Context): void {
  const { namespace, name } = pod.metadata;
  const where = `${namespace}/${name} on node ${nodeOf(pod)}`;
  if (pod.status?.phase === "Failed")
    events.warning(set, "FailedDaemonPod", `Found failed daemon pod ${where}, will try to kill it`);
  else events.normal(set, "SucceededDaemonPod", `Found succeeded daemon pod ${where}, will try to delete it`);
}

/** Former templates that no Pod is of go, beyond the history limit. */
async function truncate(
  set: DaemonSet,
  own: readonly Pod[],
  history: readonly ControllerRevision[],
  hashes: ReadonlySet<string>,
  { client }: Context,
): Promise<void> {
  const live = new Set(own.map(({ metadata }) => metadata.labels?.[REVISION_LABEL]));
  const old = history.filter((revision) => !hashes.has(hashOf(revision)));
  await truncateHistory(set, old, (revision) => live.has(hashOf(revision)), client);
}

async function report(set: DaemonSet, status: DaemonSetStatus, { client }: Context): Promise<void> {
  if (!sameJson(status, set.status)) await client.updateStatus("daemonsets", { ...set, status });
}

/** When to look again if nothing happens. */
function nextLook(key: string, view: View, { clock }: Context, { expectations, backoff }: Asked): Outcome {
  const now = clock.monotonic();
  const unseen = expectations.satisfied(key, now) ? [] : [OVERDUE_MS];
  const refused = [...view.pods]
    .filter(([, pods]) => pods.some(({ status }) => status?.phase === "Failed"))
    .map(([node]) => backoff.wait(key, node, now));
  const waits = [nextAvailable(view), ...unseen, ...refused].filter((ms) => ms !== undefined && ms > 0) as number[];
  return waits.length > 0 ? again(Math.min(...waits)) : done;
}
