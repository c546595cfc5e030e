/** kubectl api-versions: group versions that the server serves. */
import { defineCommand } from "../command.ts";

export const apiVersions = defineCommand({
  usage: "api-versions [options]",
  summary: 'Print the supported API versions on the server, in the form of "group/version".',
  flags: {},
  async run({ out, cluster }) {
    const { versions } = await (await cluster()).discovery();
    out(
      [...versions]
        .sort()
        .map((version) => `${version}\n`)
        .join(""),
    );
  },
});
