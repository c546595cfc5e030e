/**
 * Volumes, interrupted: what holds of claims and volumes while controllers are killed between any two writes,
 * answers get lost, and caches lag.
 *
 * Every state of the store is looked at: no volume ever serves two claims, no claim has two volumes, no data is
 * removed that a claim still has.
 */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import { doom, type Fate, type Fault, fateOf, mortal, rebirth } from "../e2e/harness/faulty.ts";
import type { WatchEvent } from "../machinery/client/transport/contract.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../machinery/objects/kinds.ts";
import { DIRECTORY, removalKey, removals } from "../machinery/objects/local-volumes.ts";
import { annotations, isFullyBound } from "../machinery/objects/volume-claims.ts";

let cluster: Controlled;
let ending: AbortController;
afterEach(async () => {
  ending.abort();
  await cluster.close();
});

const LAG_MS = 15;
const IDLE_MS = 500;

interface Seen {
  readonly wrong: string[];
  readonly removed: Set<string>;
}

async function start(fate: Fate): Promise<Seen> {
  cluster = await startControlled({ between: mortal(fate, LAG_MS) });
  ending = new AbortController();
  const seen: Seen = { wrong: [], removed: new Set() };
  const claims = new Map<string, PersistentVolumeClaim>();
  const volumeOf = new Map<string, string>();
  const claimOf = new Map<string, string>();
  void follow("persistentvolumeclaims", ({ type, object }) => {
    const claim = object as PersistentVolumeClaim;
    const { uid, name } = claim.metadata;
    if (type === "DELETED") claims.delete(uid);
    else claims.set(uid, claim);
    if (!isFullyBound(claim)) return;
    const volume = claim.spec?.volumeName as string;
    if ((volumeOf.get(uid) ?? volume) !== volume) seen.wrong.push(`${name} moved to ${volume}`);
    if ((claimOf.get(volume) ?? uid) !== uid) seen.wrong.push(`${volume} moved to ${name}`);
    volumeOf.set(uid, volume);
    claimOf.set(volume, uid);
  });
  void follow("nodes", async ({ object }) => {
    for (const [volume, state] of removals(object as never)) {
      if (state !== "wanted") continue;
      if (claims.has(claimOf.get(volume) ?? "")) seen.wrong.push(`${volume} removed in use`);
      seen.removed.add(volume);
      await annotate(removalKey(volume), "done");
    }
  });
  return seen;
}

async function follow(
  resource: "persistentvolumeclaims" | "nodes",
  look: (event: WatchEvent<PersistentVolumeClaim>) => Promise<void> | void,
): Promise<void> {
  try {
    for await (const batch of cluster.client.watch(resource, { signal: ending.signal }))
      for (const event of batch) await look(event as WatchEvent<PersistentVolumeClaim>);
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  }
}

const annotate = (key: string, value: string) =>
  cluster.client.patch("nodes", { name: NODE }, { metadata: { annotations: { [key]: value } } });

const claimDraft = (name: string, storageClassName: string, selected?: string) => ({
  metadata: {
    name,
    namespace: "default",
    ...(selected ? { annotations: { [annotations.selectedNode]: selected } } : {}),
  },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName },
});
const volumeDraft = (name: string) => ({
  metadata: { name },
  spec: {
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteOnce"],
    storageClassName: "manual",
    hostPath: { path: `/${name}` },
  },
});
const claims = () => cluster.list("persistentvolumeclaims");
const volumes = () => cluster.list("persistentvolumes");
const phases = async (list: Promise<readonly (PersistentVolume | PersistentVolumeClaim)[]>) =>
  (await list).map(({ status }) => status?.phase).sort();

describe.each<Fault>(["refused", "answer lost"])("with the last write %s", (how) => {
  it("claims take one volume each, whenever the binder dies", async () => {
    const fate = fateOf(how);
    const seen = await start(fate);
    for (const name of ["a", "b", "c"]) await cluster.create("persistentvolumes", volumeDraft(name));
    for (let write = 1; write <= 12; write++) {
      const name = `data-${write}`;
      doom(fate, write % 7);
      await cluster.create("persistentvolumeclaims", claimDraft(name, "manual"));
      await rebirth(fate, cluster, IDLE_MS);
      await cluster.create("persistentvolumes", volumeDraft(`more-${write}`));
    }
    await expect.poll(() => phases(claims()), { timeout: 20_000 }).toEqual(Array(12).fill("Bound"));
    await expect
      .poll(() => phases(volumes()), { timeout: 10_000 })
      .toEqual([...Array(3).fill("Available"), ...Array(12).fill("Bound")]);
    expect(seen.wrong).toEqual([]);
  }, 60_000);

  it("local volumes are made once, and removed once nobody has them, whoever dies when", async () => {
    const fate = fateOf(how);
    const seen = await start(fate);
    await annotate(DIRECTORY, "/volumes");
    for (let write = 1; write <= 8; write++) {
      doom(fate, write);
      await cluster.create("persistentvolumeclaims", claimDraft(`data-${write}`, "local-path", NODE));
      await rebirth(fate, cluster, IDLE_MS);
    }
    await expect.poll(() => phases(claims()), { timeout: 20_000 }).toEqual(Array(8).fill("Bound"));
    expect((await volumes()).length).toBe(8);
    for (let write = 1; write <= 8; write++) {
      doom(fate, write);
      await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: `data-${write}` });
      await rebirth(fate, cluster, IDLE_MS);
    }
    await expect.poll(async () => (await volumes()).length, { timeout: 20_000 }).toBe(0);
    expect(await claims()).toEqual([]);
    expect(seen.removed.size).toBe(8);
    await expect
      .poll(async () => removals((await cluster.list("nodes"))[0] as never).size, { timeout: 10_000 })
      .toBe(0);
    expect(seen.wrong).toEqual([]);
  }, 60_000);
});
