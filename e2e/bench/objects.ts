/**
 * Objects that the benchmark writes: what a ReplicaSet makes of an ordinary web server, and a small ConfigMap.
 *
 * A name has always the same length, so that requests can be made by copying bytes.
 */

export type Kind = "pods" | "configmaps";

/** What is listed lies apart, so that a list reads nothing else. */
export const namespaceOf = (series: string): string => (series.startsWith("list-") ? series : "bench");

const NAME_DIGITS = 8;

/** Stands for the name in paths and bodies of prepared requests. */
export const NAME_MARK = "@name@";

/** "create-00000042" */
export const nameOf = (series: string, number: number): string =>
  `${series}-${String(number).padStart(NAME_DIGITS, "0")}`;

export const pathOf = (kind: Kind, series: string, name?: string): string =>
  `/api/v1/namespaces/${namespaceOf(series)}/${kind}${name === undefined ? "" : `/${name}`}`;

export function objectOf(kind: Kind, name: string, series: string): Record<string, unknown> {
  return kind === "pods" ? pod(name, series) : configMap(name, series);
}

function configMap(name: string, series: string): Record<string, unknown> {
  return {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name, namespace: namespaceOf(series), labels: { app: "web", series } },
    data: { "app.conf": "listen = 8080\nworkers = 4\nlog = stdout\n".repeat(8), mode: "production" },
  };
}

function pod(name: string, series: string): Record<string, unknown> {
  return {
    kind: "Pod",
    apiVersion: "v1",
    metadata: {
      name,
      namespace: namespaceOf(series),
      labels: { app: "web", "pod-template-hash": "5c7f9d8b6c", series },
      annotations: { "example.com/team": "storefront" },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: "web-5c7f9d8b6c",
          uid: "0c5a3d2e-8f4b-4a67-9c1d-2b3e4f5a6b7c",
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      containers: [
        {
          name: "web",
          image: "nginx:1.22",
          ports: [{ name: "http", containerPort: 80 }],
          env: [
            { name: "MODE", value: "production" },
            { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
          ],
          resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "128Mi" } },
          readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 5 },
          volumeMounts: [{ name: "config", mountPath: "/etc/web" }],
        },
      ],
      volumes: [{ name: "config", configMap: { name: "web" } }],
    },
  };
}
