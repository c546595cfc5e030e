/**
 * Policy index: the policies that have bindings, by name, as the caches have them now.
 *
 * Two counters are compared where nothing changed. Programs are kept by uid and generation, and go with the policy.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObjects } from "../auth/contract.ts";

export interface BoundPolicy<P, B, Programs> {
  readonly policy: P;
  readonly bindings: readonly B[];
  readonly programs: () => Programs;
}

interface Bindable {
  readonly spec?: { readonly policyName?: string };
  readonly metadata: { readonly name: string };
}

const byName = (a: Bindable, b: Bindable): number => (a.metadata.name < b.metadata.name ? -1 : 1);

export class PolicyIndex<P extends Pick<StoredObject, "metadata">, B extends Bindable, Programs> {
  private readonly policies: string;
  private readonly bindings: string;
  private readonly compile: (policy: P) => Programs;
  private seen: readonly [number, number] = [-1, -1];
  private known: readonly BoundPolicy<P, B, Programs>[] = [];
  private readonly programs = new Map<string, Programs>();

  /** The names of the two resources. */
  constructor(policies: string, bindings: string, compile: (policy: P) => Programs) {
    this.policies = policies;
    this.bindings = bindings;
    this.compile = compile;
  }

  bound(objects: CachedObjects): readonly BoundPolicy<P, B, Programs>[] {
    const policies = objects.generation(this.policies);
    const bindings = objects.generation(this.bindings);
    if (policies === this.seen[0] && bindings === this.seen[1]) return this.known;
    this.known = this.build(objects);
    this.seen = [policies, bindings];
    return this.known;
  }

  private build(objects: CachedObjects): readonly BoundPolicy<P, B, Programs>[] {
    const bindings = [...(objects.list(this.bindings) as Iterable<unknown> as Iterable<B>)].sort(byName);
    const bound: BoundPolicy<P, B, Programs>[] = [];
    const keys = new Set<string>();
    for (const policy of objects.list(this.policies) as Iterable<unknown> as Iterable<P>) {
      const key = `${policy.metadata.uid}/${policy.metadata.generation}`;
      keys.add(key);
      const its = bindings.filter(({ spec }) => spec?.policyName === policy.metadata.name);
      if (its.length === 0) continue;
      bound.push({ policy, bindings: its, programs: () => this.compiled(key, policy) });
    }
    for (const key of this.programs.keys()) if (!keys.has(key)) this.programs.delete(key);
    return bound.sort((a, b) => byName(a.policy, b.policy));
  }

  private compiled(key: string, policy: P): Programs {
    const known = this.programs.get(key) ?? this.compile(policy);
    this.programs.set(key, known);
    return known;
  }
}
