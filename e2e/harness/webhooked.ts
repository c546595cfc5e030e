/**
 * Webhooked: the pipeline of this process, a webhook server, and configurations that come and go with each test.
 */
import { type Pipeline, type PipelineOptions, type RawRequest, type RawResponse, startPipeline } from "./pipeline.ts";
import { startWebhookServer, type WebhookServer } from "./webhook-server.ts";

export type WebhookKind = "mutating" | "validating";

export interface Webhooked {
  readonly pipeline: Pipeline;
  readonly hook: WebhookServer;
  send(method: string, path: string, body?: unknown, more?: Partial<RawRequest>): Promise<RawResponse>;
  /** A configuration of webhooks on ConfigMaps; each of `hooks` says what is different about one. */
  configure(kind: WebhookKind, name: string, ...hooks: object[]): Promise<void>;
  /** Creates a ConfigMap with one entry, a: "1". */
  create(metadata?: object, query?: string): Promise<RawResponse>;
  /** Removes all configurations, and forgets what was asked. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export const MAPS = "/api/v1/namespaces/default/configmaps";
export const onMaps = { apiGroups: [""], apiVersions: ["v1"], operations: ["*"], resources: ["configmaps"] };
export const configurations = (kind: WebhookKind): string =>
  `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations`;

export async function startWebhooked(options: PipelineOptions = {}): Promise<Webhooked> {
  const pipeline = await startPipeline(options);
  const hook = await startWebhookServer();
  const made: string[] = [];
  let next = 0;
  const send: Webhooked["send"] = (method, path, body, more = {}) =>
    pipeline.send({ method, path, ...(body === undefined ? {} : { body }), ...more });
  return {
    pipeline,
    hook,
    send,
    async configure(kind, name, ...hooks) {
      const webhooks = hooks.map((one, at) => ({
        name: `h${at}.${name}.example.com`,
        clientConfig: { url: hook.url(`/${name}/${at}`), caBundle: hook.caBundle },
        rules: [onMaps],
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        timeoutSeconds: 5,
        ...one,
      }));
      const { status, value } = await send("POST", configurations(kind), { metadata: { name }, webhooks });
      if (status !== 201) throw new Error(value.message);
      made.push(`${configurations(kind)}/${name}`);
    },
    create: (metadata = {}, query = "") =>
      send("POST", `${MAPS}${query}`, { metadata: { name: `m${next++}`, ...metadata }, data: { a: "1" } }),
    async reset() {
      for (const path of made.splice(0)) await send("DELETE", path);
      hook.asked.length = 0;
      hook.respond(() => ({ allowed: true }));
    },
    async close() {
      await pipeline.close();
      hook.close();
    },
  };
}

export const deployment = (name: string) => ({
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: "b" } },
    template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } },
  },
});
