/**
 * Pod creations: makes the Pods of a ReplicaSet or a Job, each of them once, whatever becomes of the answers.
 *
 * A Pod's name is chosen here. A creation without answer is in doubt: nothing more is decided about its
 * owner until the server was asked for that very name, and where the Pod is not there, its name is used
 * again first. So a request that is still under way can only ever make that Pod. Which Pods are awaited in
 * the cache: machinery/loop/expectations.ts.
 */
import type { Lister, ObjectKey } from "../machinery/client/informer.ts";
import type { Services } from "../machinery/loop/controller.ts";
import type { Expectations } from "../machinery/loop/expectations.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { isControlledBy } from "../machinery/objects/owners.ts";
import { isAlreadyExists, isDoubtful } from "../machinery/objects/status.ts";
import type { Draft, StoredMeta } from "../machinery/objects/wire.ts";
import { inGrowingBatches } from "./slow-start.ts";

type Context = { readonly pods: Lister<Pod> } & Pick<Services, "client" | "clock">;

interface Owner {
  readonly metadata: StoredMeta;
}

export interface Creation {
  /** What the name begins with; five characters are added. */
  readonly prefix: string;
  draft(name: string): Draft<Pod>;
  /** The Pod is there. */
  made(name: string): void;
}

export interface PodCreations {
  /** Clears up earlier creations that nobody knows of. Call before anything is decided; throws while the server does not say. */
  settle(key: ObjectKey, owner: Owner, context: Context): Promise<void>;
  /** Creates in growing batches; says how many are there, how many more may be, and what failed first. */
  create(
    key: ObjectKey,
    owner: Owner,
    creations: readonly Creation[],
    context: Context,
  ): Promise<{ readonly succeeded: number; readonly doubtful: number; readonly error?: unknown }>;
  /** Pods that may be there without showing in the cache, of this moment: ask when its list is taken. */
  unseen(key: ObjectKey): number;
  /** The informer showed the Pod, or showed that it is gone. */
  observed(key: ObjectKey, name: string): void;
  forget(key: ObjectKey): void;
}

/**
 * Whether the cache still shows the owner: ask after settling. One that went has taken along what was known of its Pods,
 * and without that nothing can be told to be missing.
 */
export const isStill = ({ metadata }: Owner, cached: Owner | undefined): boolean =>
  cached?.metadata.uid === metadata.uid;

/** What is known of a Pod whose creation was not answered. */
type Doubt = "unknown" | "absent";

export function createPodCreations(expectations: Expectations): PodCreations {
  const doubts = new Map<ObjectKey, Map<string, Doubt>>();
  const doubt = (key: ObjectKey, name: string, state: Doubt) => {
    const names = doubts.get(key);
    if (names) names.set(name, state);
    else doubts.set(key, new Map([[name, state]]));
  };
  const clear = (key: ObjectKey, name: string) => {
    const names = doubts.get(key);
    if (names?.delete(name) && names.size === 0) doubts.delete(key);
  };
  const inDoubt = (key: ObjectKey, state: Doubt) =>
    [...(doubts.get(key) ?? [])].filter(([, known]) => known === state).map(([name]) => name);

  /** A name that was tried before and came to nothing, or else a new one. */
  const nameFor = (key: ObjectKey, wanted: string, random: () => number): string => {
    const prefix = wanted.slice(0, MAX_PREFIX);
    const again = inDoubt(key, "absent").find((name) => name.slice(0, -SUFFIX) === prefix);
    if (again) clear(key, again);
    return again ?? prefix + suffix(random);
  };

  const createOne = async (key: ObjectKey, owner: Owner, { draft }: Creation, name: string, context: Context) => {
    const { client, pods } = context;
    const { namespace } = owner.metadata;
    try {
      await client.create("pods", draft(name)).catch(async (error: unknown) => {
        const there = isAlreadyExists(error) ? await client.find("pods", { namespace, name }) : undefined;
        if (!there || !isControlledBy(there, owner)) throw error;
        if (pods.get(`${namespace}/${name}`)) expectations.creationObserved(key, name);
      });
    } catch (error) {
      expectations.creationObserved(key, name);
      if (isDoubtful(error) && !pods.get(`${namespace}/${name}`)) doubt(key, name, "unknown");
      throw error;
    }
  };

  return {
    async settle(key, owner, { client, clock, pods }) {
      const { namespace } = owner.metadata;
      const lookUp = async (name: string) => {
        const live = await client.find("pods", { namespace, name });
        return { live, cached: pods.get(`${namespace}/${name}`) };
      };
      for (const name of inDoubt(key, "unknown")) {
        const { live, cached } = await lookUp(name);
        clear(key, name);
        if (cached) continue;
        if (!live) doubt(key, name, "absent");
        else if (isControlledBy(live, owner)) expectations.expectCreations(key, [name], clock.monotonic());
      }
      for (const name of expectations.overdue(key, clock.monotonic())) {
        const { live, cached } = await lookUp(name);
        if (cached || !live) expectations.creationObserved(key, name);
      }
    },

    async create(key, owner, creations, context) {
      const { clock } = context;
      const reused = new Set(inDoubt(key, "absent"));
      const names = creations.map(({ prefix }) => nameFor(key, prefix, clock.random));
      expectations.expectCreations(key, names, clock.monotonic());
      let doubtful = 0;
      const { succeeded, attempted, error } = await inGrowingBatches(names.length, async (i) => {
        await createOne(key, owner, creations[i]!, names[i]!, context).catch((failure: unknown) => {
          if (isDoubtful(failure)) doubtful++;
          throw failure;
        });
        creations[i]!.made(names[i]!);
      });
      for (const name of names.slice(attempted)) {
        expectations.creationObserved(key, name);
        if (reused.has(name)) doubt(key, name, "absent");
      }
      return { succeeded, doubtful, ...(error === undefined ? {} : { error }) };
    },

    unseen: (key) => expectations.unseen(key) + inDoubt(key, "unknown").length,
    observed(key, name) {
      clear(key, name);
      expectations.creationObserved(key, name);
    },
    forget(key) {
      doubts.delete(key);
      expectations.forget(key);
    },
  };
}

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX = 5;
/** Longer names are cut, as the server does for generateName. */
const MAX_PREFIX = 63 - SUFFIX;
const suffix = (random: () => number) =>
  Array.from({ length: SUFFIX }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join("");
