/**
 * Rounds: how often the mutating plugins see one object, and which policies and webhooks see it again.
 *
 * In the second round only those are called that were called in the first, ask for it (reinvocationPolicy IfNeeded)
 * and have had the object changed after them.
 */
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Rounds } from "./contract.ts";

export class RoundsOfOne implements Rounds {
  again = false;
  private asked = false;
  private states: Map<string, unknown> | undefined;

  ask(): void {
    this.asked = true;
  }

  state<T>(plugin: string, make: () => T): T {
    this.states ??= new Map();
    if (!this.states.has(plugin)) this.states.set(plugin, make());
    return this.states.get(plugin) as T;
  }

  /** Begins the second round where one is asked for. */
  next(): boolean {
    if (this.again || !this.asked) return false;
    this.again = true;
    return true;
  }
}

/** What one plugin's callees (webhooks, policies with their params) did in the first round, by a key of each. */
export class Reinvocation {
  private output: KubeObject | undefined;
  private readonly invoked = new Set<string>();
  private readonly due = new Set<string>();

  /** At the beginning: what other plugins have changed since is a change for all. */
  begin(rounds: Rounds, object: KubeObject | undefined): void {
    if (rounds.again && this.invoked.size > 0 && !equalJson(this.output, object)) this.changed();
  }

  mayCall(rounds: Rounds, key: string): boolean {
    return !rounds.again || this.due.has(key);
  }

  /** The object is another one: whoever was called before wants to see it. */
  changed(): void {
    for (const key of this.invoked) this.due.add(key);
    this.invoked.clear();
  }

  called(key: string): void {
    this.invoked.add(key);
  }

  end(rounds: Rounds, object: KubeObject | undefined): void {
    this.output = !rounds.again && this.invoked.size > 0 && object ? cloneJson(object) : undefined;
  }
}
