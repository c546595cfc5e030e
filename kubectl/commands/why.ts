/**
 * kubectl why: why an object is not as it should be: not scheduled, not ready, not bound, still Terminating.
 *
 * Says what the server, the scheduler and the nodes have told, and what would help. What led to an object's state
 * in time is `kubectl trace`. What is said of each kind stands in ../why/.
 */
import { defineCommand } from "../command.ts";
import { CommandError } from "../errors.ts";
import { NOTHING_NAMED, objectsOf, parseSelection } from "../selection.ts";
import { createWhyContext } from "../why/context.ts";
import type { Explanation } from "../why/explanation.ts";
import { why } from "../why/why.ts";

export const whyCommand = defineCommand({
  usage: "why (TYPE [NAME | -l label] | TYPE/NAME ...) [options]",
  summary: "Say why objects are not as they should be, and what would help.",
  examples: [
    "kubectl why pod/web-5d8c7-x2x9z",
    "kubectl why deployment web",
    "kubectl why namespace/old",
    "kubectl why pods",
  ],
  flags: {
    "all-namespaces": { type: "boolean", short: "A", help: "Look at all namespaces." },
    selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
    output: { type: "string", short: "o", default: "", help: "Output format: json for what is said as data." },
  },
  async run(run) {
    const { args, flags } = run;
    if (args.length === 0) throw new CommandError(NOTHING_NAMED);
    if (!["", "json"].includes(flags.output)) throw new CommandError("--output must be 'json'");
    const cluster = await run.cluster();
    const context = createWhyContext(cluster, run.clock.now());
    const narrowing = { selector: flags.selector, allNamespaces: flags["all-namespaces"] };
    const selection = await parseSelection(cluster, args);
    const found = await objectsOf(cluster, selection, narrowing, (error) => {
      throw error;
    });
    const told: Explanation[] = [];
    for (const one of found) told.push(await why(one, context));
    if (flags.output === "json") return run.out(`${JSON.stringify(told, undefined, 4)}\n`);
    // Of many, those that are well are only counted.
    const chosen = selection.every(({ names }) => names) ? told : told.filter(({ well }) => !well);
    run.out(chosen.map((one) => rendered(one, "")).join("\n"));
    const fine = told.length - chosen.length;
    if (fine > 0)
      run.out(
        `${chosen.length > 0 ? "\n" : ""}${fine} ${chosen.length > 0 ? "more " : ""}of ${told.length} are well.\n`,
      );
    if (told.length === 0) run.err("No resources found\n");
  },
});

function rendered({ subject, says, because, helps, below }: Explanation, indent: string): string {
  return [
    `${indent}${subject} ${says}\n`,
    ...because.map((one) => `${indent}  because: ${one}\n`),
    ...helps.map((one) => `${indent}  helps:   ${one}\n`),
    ...below.map((one) => rendered(one, `${indent}  `)),
  ].join("");
}
