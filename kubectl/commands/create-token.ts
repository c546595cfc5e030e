/** kubectl create token: asks the server for a service account's token and prints it. */
import { defineCommand } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import { goDuration } from "../go-duration.ts";

export const createToken = defineCommand({
  usage: "create token SERVICE_ACCOUNT_NAME [options]",
  summary: "Request a service account token.",
  flags: {
    audience: { type: "list", help: "Audience of the requested token. May be repeated." },
    duration: { type: "string", default: "0s", help: "Requested lifetime of the issued token." },
    "bound-object-kind": {
      type: "string",
      default: "",
      help: "Kind of an object to bind the token to: Pod, Secret or Node.",
    },
    "bound-object-name": { type: "string", default: "", help: "Name of an object to bind the token to." },
    "bound-object-uid": { type: "string", default: "", help: "UID of an object to bind the token to." },
  },
  async run(run) {
    const [name, ...more] = run.args;
    if (name === undefined || more.length > 0)
      throw new CommandError(`exactly one NAME is required, got ${run.args.length}`);
    const cluster = await run.cluster();
    const seconds = Math.round(goDuration(run.flags.duration) / 1000);
    const kind = run.flags["bound-object-kind"];
    const bound = { kind, apiVersion: "v1", name: run.flags["bound-object-name"], uid: run.flags["bound-object-uid"] };
    const type = resolveType(await cluster.discovery(), "serviceaccounts");
    const answer = await cluster.request<{ status?: { token?: string } }>({
      method: "POST",
      path: resourcePath(type, cluster.namespace, name, "token"),
      body: {
        kind: "TokenRequest",
        apiVersion: "authentication.k8s.io/v1",
        metadata: {},
        spec: {
          audiences: [...run.flags.audience],
          ...(seconds > 0 ? { expirationSeconds: seconds } : {}),
          ...(kind === "" ? {} : { boundObjectRef: bound }),
        },
      },
    });
    const token = answer.status?.token;
    if (!token) throw new CommandError("failed to create token: no token in server response");
    run.out(run.io.stdout.isTTY ? `${token}\n` : token);
  },
});
