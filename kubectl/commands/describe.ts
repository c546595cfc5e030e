/** kubectl describe: objects in words, with what belongs to them and their events. How a kind reads: ../describe/. */
import { isNotFound } from "../../machinery/objects/status.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand } from "../command.ts";
import { describerOf } from "../describe/describers.ts";
import { createDocument } from "../describe/document.ts";
import { CommandError, throwAll } from "../errors.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { type FoundObject, listAll, namespaceFor, objectsOf, parseSelection, type Selected } from "../selection.ts";

export const describe = defineCommand({
  usage: "describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME) [options]",
  summary: "Show details of a specific resource or group of resources.",
  examples: ["kubectl describe nodes kubernetes-node-emt8", "kubectl describe pods/nginx"],
  flags: {
    ...fileFlags,
    "all-namespaces": {
      type: "boolean",
      short: "A",
      help: "If present, list the requested object(s) across all namespaces.",
    },
    selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
    "show-events": { type: "boolean", default: true, help: "If true, display events related to the described object." },
    "chunk-size": { type: "number", default: 500, help: "Return large lists in chunks rather than all at once." },
  },
  async run(run) {
    const { args, flags } = run;
    if (args.length === 0 && flags.filename.length === 0) {
      throw new CommandError(
        'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of supported resources.',
      );
    }
    const cluster = await run.cluster();
    const errors: unknown[] = [];
    const found: (FoundObject & { readonly byPrefix?: boolean })[] = [];
    for (const { type, namespace, object } of await readManifests(cluster, run.io, flags.filename, flags)) {
      const place = { ...cluster, namespace: namespace ?? cluster.namespace };
      const one = [{ type, names: [object.metadata.name ?? ""] }];
      found.push(...(await objectsOf(place, one, {}, (error) => errors.push(error))));
    }
    const narrowing = { selector: flags.selector, allNamespaces: flags["all-namespaces"] };
    for (const selected of args.length > 0 ? await parseSelection(cluster, args) : []) {
      const own: unknown[] = [];
      const objects = await objectsOf(cluster, [selected], narrowing, (error) => own.push(error));
      const prefixed = objects.length === 0 && own.every(isNotFound) ? await withPrefix(cluster, selected) : [];
      found.push(...objects, ...prefixed.map((one) => ({ ...one, byPrefix: true })));
      if (prefixed.length === 0) errors.push(...own);
    }
    if (found.length === 0 && errors.length === 0) {
      run.err(
        flags["all-namespaces"] ? "No resources found\n" : `No resources found in ${cluster.namespace} namespace.\n`,
      );
    }
    for (const [index, { type, object, byPrefix }] of found.entries()) {
      if (index > 0 && !byPrefix) run.out("\n\n");
      const document = createDocument();
      const context = { cluster, now: run.clock.now(), showEvents: flags["show-events"] };
      await (await describerOf(type))(object, document, context);
      run.out(`${document.text()}${byPrefix ? "\n" : ""}`);
    }
    throwAll(errors);
  },
});

/** A name that no object has may be the beginning of some. */
async function withPrefix(cluster: Cluster, { type, names }: Selected): Promise<FoundObject[]> {
  const [prefix, ...more] = names ?? [];
  if (prefix === undefined || more.length > 0) return [];
  const all = await listAll(cluster, type, namespaceFor(type, cluster));
  return all.filter(({ name }) => name.startsWith(prefix));
}
