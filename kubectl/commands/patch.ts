/** kubectl patch: sends a patch as it is given. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { defineCommand } from "../command.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import { equal } from "../merge/values.ts";
import { createPrinter } from "../output/printer.ts";
import { objectsOf, parseSelection } from "../selection.ts";
import { dryRunOf, writeFlags, writeQuery } from "../writing.ts";

const TYPES: Readonly<Record<string, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

export const patch = defineCommand({
  usage: "patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE] [options]",
  summary: "Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch.",
  examples: [`kubectl patch node k8s-node-1 -p '{"spec":{"unschedulable":true}}'`],
  flags: {
    ...writeFlags,
    "field-manager": {
      type: "string",
      default: "kubectl-patch",
      help: "Name of the manager used to track field ownership.",
    },
    patch: { type: "string", short: "p", default: "", help: "The patch to be applied to the resource JSON file." },
    "patch-file": { type: "string", default: "", help: "A file containing a patch to be applied to the resource." },
    type: {
      type: "string",
      default: "strategic",
      help: "The type of patch being provided; one of [json merge strategic]",
    },
    subresource: { type: "string", help: "If specified, patches the subresource of the requested object." },
  },
  async run(run) {
    const { flags, args, io } = run;
    const contentType = TYPES[flags.type.toLowerCase()];
    if (!contentType)
      throw new CommandError(`--type must be one of [json merge strategic], not ${JSON.stringify(flags.type)}`);
    if ((flags.patch === "") === (flags["patch-file"] === ""))
      throw new CommandError("must specify --patch or --patch-file containing the contents of the patch");
    const text = flags.patch || (await readFile(resolve(io.cwd, flags["patch-file"]), "utf8"));
    let body: unknown;
    try {
      body = readOneYaml(text);
    } catch (error) {
      throw new CommandError(`unable to parse ${JSON.stringify(text)}: ${(error as Error).message}`);
    }
    const cluster = await run.cluster();
    const found = await objectsOf(cluster, await parseSelection(cluster, args), {}, (error) => {
      throw error;
    });
    const [one] = found;
    if (!one) throw new CommandError("no objects passed to patch");
    const dryRun = dryRunOf(flags["dry-run"]);
    for (const { type, namespace, name, object } of found) {
      const path = resourcePath(type, namespace, name, flags.subresource);
      const query = { ...writeQuery(flags), ...(dryRun === "client" ? { dryRun: "All" } : {}) };
      const patched = await cluster.request<KubeObject>({
        method: "PATCH",
        path,
        query,
        headers: { "content-type": contentType },
        body,
      });
      if (flags.output !== "") {
        run.out((await createPrinter(flags.output)).print(patched));
        continue;
      }
      const suffix = { none: "", client: " (dry run)", server: " (server dry run)" }[dryRun];
      run.out(`${typeName(type)}/${name} patched${equal(object, patched) ? " (no change)" : ""}${suffix}\n`);
    }
  },
});
