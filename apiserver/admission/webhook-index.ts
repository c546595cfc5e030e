/**
 * Webhook index: all webhooks of one kind of configuration, in the order in which they are called.
 *
 * Configurations by name, the webhooks of one as it lists them. Made anew when a configuration changes: where none
 * is, a request pays for comparing a counter.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { MatchResources } from "./policy-matching.ts";
import { compileConditions, type NamedProgram } from "./policy-programs.ts";

export type Webhook = Wire<models.V1MutatingWebhook>;
type Configuration = Stored<models.V1MutatingWebhookConfiguration>;

export interface Hook {
  readonly configuration: string;
  readonly webhook: Webhook;
  /** Of no other webhook in any configuration. */
  readonly key: string;
  readonly constraints: MatchResources;
  /** Compiled when first asked for. */
  readonly conditions: () => readonly NamedProgram[];
}

export class WebhookIndex {
  private readonly resource: string;
  private seen = -1;
  private known: readonly Hook[] = [];

  constructor(resource: string) {
    this.resource = resource;
  }

  hooks(objects: CachedObjects): readonly Hook[] {
    const generation = objects.generation(this.resource);
    if (generation === this.seen) return this.known;
    const configurations = [...(objects.list(this.resource) as Iterable<unknown> as Iterable<Configuration>)];
    configurations.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    this.known = configurations.flatMap(hooksOf);
    this.seen = generation;
    return this.known;
  }
}

function hooksOf({ metadata, webhooks = [] }: Configuration): readonly Hook[] {
  return webhooks.map((webhook, at) => {
    const { rules, namespaceSelector, objectSelector, matchPolicy, matchConditions } = webhook;
    let compiled: readonly NamedProgram[] | undefined;
    return {
      configuration: metadata.name,
      webhook,
      key: `${metadata.name}/${webhook.name}/${at}`,
      constraints: { resourceRules: rules, namespaceSelector, objectSelector, matchPolicy } as MatchResources,
      conditions: () =>
        (compiled ??= compileConditions(matchConditions ?? [], { authorizer: true, withoutNamespace: true })),
    };
  });
}
