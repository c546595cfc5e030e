/**
 * Node: registers this node, keeps its status true and renews its lease.
 *
 * The status is written when it changed, and every 5 min so that a silent node is told from a quiet
 * one; the lease is the heartbeat, every 10 s. Labels, taints and annotations that others set stay.
 */
import type { Client } from "../machinery/client/client.ts";
import type { EventRecorder } from "../machinery/loop/controller.ts";
import type { Lease, Node } from "../machinery/objects/kinds.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireMicroTime } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import {
  checkKey,
  type Health,
  NameTakenError,
  type NodeSettings,
  newNode,
  nodeAnnotations,
  nodeConditions,
  nodeFields,
  nodeLabels,
} from "./node-object.ts";
import { same } from "./pods/status-patch.ts";

export interface NodeContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  readonly settings: NodeSettings;
  readonly health: () => Promise<Health>;
}

export interface NodeKeeper {
  /** Creates the node or takes over the one that is there; retries until it succeeded. */
  register(): Promise<Node>;
  /** Looks at the node's health and writes what changed, now. */
  update(): Promise<void>;
  /** Status and lease, until the signal aborts. */
  run(): Promise<void>;
  readonly node: () => Node | undefined;
  /** What the API has of it now: who thought it lost is told at once that it is not. */
  seen(node: Node): void;
}

const STATUS_LOOK_MS = 10_000;
const STATUS_REPORT_MS = 300_000;
const LEASE_SECONDS = 40;
const LEASE_RENEW_MS = 10_000;
/** As the kubelet: a part by which waits differ, or nodes that a server held up together would all come together again. */
const JITTER = 0.04;
const RETRY_MS = 500;
const RETRY_MAX_MS = 7_000;
const LEASES = "kube-node-lease";
/** A node that was deleted stays away so long: until its Pods are deleted too, for a new one may get other addresses. */
const FORGOTTEN_MS = 60_000;

export function createNodeKeeper({ client, clock, log, signal, events, settings, health }: NodeContext): NodeKeeper {
  const { name } = settings;
  let node: Node | undefined;
  let reportedAt = Number.NEGATIVE_INFINITY;
  let updating: Promise<void> | undefined;
  let again = false;
  /** Aborted, and replaced, when a status could not be written. */
  let failed = new AbortController();
  let lease: Lease | undefined;
  /** There was a lease of this process. */
  let renewed = false;

  async function registerOnce(): Promise<Node> {
    try {
      const created = await client.create("nodes", newNode(settings));
      log.info("node registered", { object: `nodes/${name}` });
      return created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const found = await client.get("nodes", { name });
    checkKey(found, settings);
    const labels = missing(found.metadata.labels, nodeLabels(settings));
    const annotations = missing(found.metadata.annotations, nodeAnnotations(settings));
    if (!labels && !annotations) return found;
    return client.patch(
      "nodes",
      { name },
      { metadata: { ...(labels && { labels }), ...(annotations && { annotations }) } },
    );
  }

  async function writeStatus(): Promise<void> {
    const current = await health();
    const known = node;
    if (!known) return;
    const old = known.status?.conditions ?? [];
    const conditions = nodeConditions(current, old, clock.now());
    const fields = nodeFields(settings);
    const due = clock.monotonic() - reportedAt >= STATUS_REPORT_MS;
    const plain = (list: typeof conditions) => list.map(({ lastHeartbeatTime: _at, ...rest }) => rest);
    const own = old.filter(({ type }) => conditions.some((condition) => condition.type === type));
    const unchanged =
      same(plain(conditions), plain(own)) &&
      Object.entries(fields).every(([field, value]) => same(value, known.status?.[field as keyof typeof fields]));
    if (unchanged && !due) return;
    const addresses = [...(fields.addresses ?? []), { $patch: "replace" }];
    const patch = { status: { ...fields, addresses, conditions } };
    node = await client.patch("nodes", { name }, patch, { type: "strategic", subresource: "status" });
    checkKey(node, settings); // it may have been deleted, and its name given to another machine
    reportedAt = clock.monotonic();
    tellTransitions(node, own, conditions);
  }

  function tellTransitions(
    about: Node,
    before: readonly { type: string; status: string }[],
    after: readonly { type: string; status: string }[],
  ) {
    const was = before.find(({ type }) => type === "Ready")?.status;
    const is = after.find(({ type }) => type === "Ready")?.status;
    if (was === is) return;
    const reason = is === "True" ? "NodeReady" : "NodeNotReady";
    events.normal(about, reason, `Node ${name} status is now: ${reason}`);
  }

  function update(): Promise<void> {
    if (updating) {
      again = true;
      return updating;
    }
    updating = (async () => {
      do {
        again = false;
        await writeStatus();
      } while (again && !signal.aborted);
    })()
      .catch((error: unknown) => {
        failed.abort();
        failed = new AbortController();
        throw error;
      })
      .finally(() => {
        updating = undefined;
      });
    return updating;
  }

  function lookAgain(): void {
    reportedAt = Number.NEGATIVE_INFINITY;
    update().catch(() => undefined); // keepStatus hears of it
  }

  /** Looks from time to time; a status that could not be written, whoever tried, is tried again soon. */
  async function keepStatus(): Promise<void> {
    for (let delay = STATUS_LOOK_MS, retry = RETRY_MS; !signal.aborted; ) {
      try {
        await update();
        [delay, retry] = [jittered(STATUS_LOOK_MS), RETRY_MS];
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof NameTakenError) throw error;
        log.warn("the node's status could not be written", { object: `nodes/${name}`, error });
        if (isNotFound(error)) {
          log.warn("the node was deleted: it registers anew when its Pods are gone", { object: `nodes/${name}` });
          await clock.sleep(FORGOTTEN_MS, signal).catch(() => undefined); // aborted: the loop's condition ends it
          if (!signal.aborted) node = await register();
        }
        [delay, retry] = [retry, Math.min(retry * 2, RETRY_MAX_MS)];
      }
      await clock.sleep(delay, AbortSignal.any([signal, failed.signal])).catch(() => undefined);
    }
  }

  const jittered = (ms: number): number => ms * (1 + JITTER * clock.random());

  async function renewLease(): Promise<void> {
    const ref = { namespace: LEASES, name };
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: wireMicroTime(clock.now()) };
    const found = lease ?? (await client.find("leases", ref));
    if (found) {
      lease = undefined; // read again, unless this write succeeds
      try {
        lease = await client.update("leases", { ...found, spec: { ...found.spec, ...spec } });
        renewed = true;
        return;
      } catch (error) {
        if (await client.find("leases", ref)) throw error; // else it was deleted since
      }
    }
    if (renewed) lookAgain(); // a lease goes with its node
    const { uid } = node?.metadata ?? {};
    const owner = uid ? [{ apiVersion: "v1", kind: "Node", name, uid }] : [];
    lease = await client.create("leases", { metadata: { ...ref, ownerReferences: owner }, spec });
    renewed = true;
  }

  async function keepLease(): Promise<void> {
    for (let delay = RETRY_MS; !signal.aborted; ) {
      try {
        await renewLease();
        delay = jittered(LEASE_RENEW_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (!isConflict(error)) log.warn("the node's lease could not be renewed", { error });
        delay = delay >= LEASE_RENEW_MS ? RETRY_MS : Math.min(delay * 2, RETRY_MAX_MS);
      }
      await clock.sleep(delay, signal).catch(() => undefined);
    }
  }

  async function register(): Promise<Node> {
    for (let delay = RETRY_MS; ; delay = Math.min(delay * 2, RETRY_MAX_MS)) {
      try {
        node = await registerOnce();
        return node;
      } catch (error) {
        if (signal.aborted || error instanceof NameTakenError) throw error;
        log.warn("the node could not be registered yet", { object: `nodes/${name}`, error });
        await clock.sleep(delay, signal);
      }
    }
  }

  return {
    register,
    update,
    async run() {
      await Promise.all([keepStatus(), keepLease()]);
    },
    node: () => node,
    seen(found) {
      if (!node || BigInt(found.metadata.resourceVersion) <= BigInt(node.metadata.resourceVersion)) return;
      node = found;
      const doubted = found.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "Unknown");
      if (doubted) update().catch(() => undefined); // tried again with the next look
    },
  };
}

/** What of `wanted` is not so yet; undefined where nothing is missing. */
function missing(
  found: Readonly<Record<string, string>> | undefined,
  wanted: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const entries = Object.entries(wanted).filter(([key, value]) => found?.[key] !== value);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
