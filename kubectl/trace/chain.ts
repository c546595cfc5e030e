/**
 * Chain: from the kept versions of some objects to a tree of steps, each below what caused it.
 *
 * Pure. A version says by revision what made its writer act; where it does not, or where that version
 * is no longer kept, the object's own earlier step or its owner's stands in. What the user asked for
 * comes whole; of its ancestors only what led to it.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type Change, changesBetween } from "./changes.ts";

export interface Cause {
  readonly user: string;
  readonly verb: string;
  readonly time: number;
  readonly causeRevision?: string;
  readonly controller?: string;
}

export interface Version {
  readonly type: "put" | "delete";
  readonly resourceVersion: string;
  readonly cause?: Cause;
  readonly object?: KubeObject;
}

/** An object that is part of the story, with its kept versions, oldest first. */
export interface Traced {
  /** "pod/web-1" */
  readonly name: string;
  readonly uid: string;
  readonly ownerUid: string | undefined;
  readonly versions: readonly Version[];
  /** The object that was asked for, or one that it made; false for an ancestor. */
  readonly asked: boolean;
}

export interface Step {
  readonly name: string;
  readonly revision: string;
  readonly time: number | undefined;
  readonly by: string;
  readonly changes: readonly Change[];
  readonly children: Step[];
  /** The revision that caused it, where it is not among these steps. */
  readonly causedBy?: string;
}

interface Draft extends Step {
  readonly traced: Traced;
  readonly causeRevision: string | undefined;
  readonly isCreation: boolean;
}

export interface ChainOptions {
  /** Keep steps that only count along. */
  readonly all: boolean;
}

export interface Chain {
  readonly roots: readonly Step[];
  /** Steps left out because they only count along. */
  readonly hidden: number;
}

export function chainOf(objects: readonly Traced[], { all }: ChainOptions): Chain {
  const drafts = objects.flatMap(draftsOf).sort(byRevision);
  const byNumber = new Map(drafts.map((draft) => [draft.revision, draft]));
  const parents = new Map(drafts.map((draft) => [draft, parentOf(draft, drafts, byNumber)]));
  const leading = new Set<Draft>();
  for (const draft of drafts.filter(({ traced }) => traced.asked)) {
    for (let at: Draft | undefined = draft; at && !leading.has(at); at = parents.get(at)) leading.add(at);
  }
  const shown = new Set([...leading].filter((draft) => all || draft.changes.some(({ main }) => main)));
  const roots: Step[] = [];
  for (const draft of drafts.filter((one) => shown.has(one))) {
    let parent = parents.get(draft);
    while (parent && !shown.has(parent)) parent = parents.get(parent);
    const { causeRevision } = draft;
    const outside = causeRevision !== undefined && !byNumber.has(causeRevision);
    const step: Step = outside ? Object.assign(draft, { causedBy: causeRevision }) : draft;
    (parent ? parent.children : roots).push(step);
  }
  return { roots, hidden: leading.size - shown.size };
}

const byRevision = (a: Draft, b: Draft) => Number(BigInt(a.revision) - BigInt(b.revision));

function draftsOf(traced: Traced): Draft[] {
  let before: KubeObject | undefined;
  return traced.versions.map(({ type, resourceVersion, cause, object }, index) => {
    const isCreation = index === 0 && type === "put" && (cause?.verb === "create" || isFirst(object, cause));
    const after = type === "delete" ? undefined : object;
    const changes = changesBetween(before, after, isCreation);
    before = after;
    return {
      traced,
      name: traced.name,
      revision: resourceVersion,
      time: cause?.time,
      by: cause?.controller ?? cause?.user ?? "unknown",
      changes,
      children: [],
      causeRevision: cause?.causeRevision,
      isCreation,
    };
  });
}

/** A PUT or an apply that created: the object is no older than the write. */
function isFirst(object: KubeObject | undefined, cause: Cause | undefined): boolean {
  const created = object?.metadata.creationTimestamp;
  return created !== undefined && cause !== undefined && cause.time - Date.parse(created) < 1_000;
}

function parentOf(draft: Draft, drafts: readonly Draft[], byNumber: ReadonlyMap<string, Draft>): Draft | undefined {
  const cause = draft.causeRevision === undefined ? undefined : byNumber.get(draft.causeRevision);
  if (cause && cause !== draft) return cause;
  const earlier = drafts.filter((one) => byRevision(one, draft) < 0);
  if (draft.isCreation) return earlier.findLast(({ traced }) => traced.uid === draft.traced.ownerUid);
  const byPerson = draft.causeRevision === undefined && !draft.by.startsWith("system:");
  if (byPerson && draft.traced.ownerUid === undefined) return undefined;
  return earlier.findLast((one) => one.traced === draft.traced && one.changes.some(({ main }) => main));
}
