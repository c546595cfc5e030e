/** kubectl api-resources: what the server serves. */
import { defineCommand } from "../command.ts";
import { apiVersionOf, qualified, type ResourceType } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import { columns } from "../output/columns.ts";

export const apiResources = defineCommand({
  usage: "api-resources [options]",
  summary: "Print the supported API resources on the server.",
  flags: {
    "api-group": { type: "string", help: "Limit to resources in the specified API group." },
    namespaced: {
      type: "boolean",
      default: true,
      help: "If false, non-namespaced resources will be returned, otherwise returning namespaced resources by default.",
    },
    verbs: { type: "list", help: "Limit to resources that support the specified verbs." },
    categories: { type: "list", help: "Limit to resources that belong to the specified categories." },
    output: { type: "string", short: "o", default: "", help: "Output format. One of: (wide, name)." },
    "sort-by": {
      type: "string",
      default: "",
      help: "If non-empty, sort list of resources using specified field. One of (name, kind).",
    },
    "no-headers": {
      type: "boolean",
      help: "When using the default or custom-column output format, don't print headers.",
    },
    cached: { type: "boolean", help: "Use the cached list of resources if available." },
  },
  async run({ flags, given, out, cluster, args }) {
    if (args.length > 0)
      throw new CommandError(
        `unexpected arguments: [${args.join(" ")}]\nSee 'kubectl api-resources -h' for help and examples`,
      );
    if (!["", "wide", "name"].includes(flags.output))
      throw new CommandError(`--output ${flags.output} is not available`);
    const { resources } = await (await cluster()).discovery();
    const listed = (value: readonly string[]) => value.flatMap((text) => text.split(","));
    const kept = resources.filter(
      (one) =>
        one.preferred &&
        one.verbs.length > 0 &&
        (flags["api-group"] === undefined || one.group === flags["api-group"]) &&
        (!given.has("namespaced") || one.namespaced === flags.namespaced) &&
        listed(flags.verbs).every((verb) => one.verbs.includes(verb)) &&
        listed(flags.categories).every((category) => one.categories.includes(category)),
    );
    kept.sort(orders[flags["sort-by"]] ?? byGroup);
    if (flags.output === "name") return out(kept.map((one) => `${qualified(one)}\n`).join(""));
    const wide = flags.output === "wide";
    const header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", ...(wide ? ["VERBS", "CATEGORIES"] : [])];
    const rows = kept.map((one) => [
      one.plural,
      one.shortNames.join(","),
      apiVersionOf(one),
      String(one.namespaced),
      one.kind,
      ...(wide ? [one.verbs.join(","), one.categories.join(",")] : []),
    ]);
    out(columns(flags["no-headers"] ? rows : [header, ...rows]));
  },
});

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byGroup = (a: ResourceType, b: ResourceType) => compare(a.group, b.group) || compare(a.plural, b.plural);

const orders: Readonly<Record<string, (a: ResourceType, b: ResourceType) => number>> = {
  name: (a, b) => compare(a.plural, b.plural),
  kind: (a, b) => compare(a.kind, b.kind),
};
