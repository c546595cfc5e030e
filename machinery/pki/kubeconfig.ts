/**
 * Kubeconfig: how a client is told where the server is, whom to trust and who it is.
 *
 * Written for one cluster and one user with everything inside, so that the file can be copied.
 */
import type { KeyPair } from "./certificates.ts";

export interface KubeconfigParts {
  readonly server: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
  readonly user: string;
  readonly client: KeyPair;
}

export function kubeconfig({ server, authority, user, client }: KubeconfigParts): string {
  return `apiVersion: v1
kind: Config
clusters:
- name: k8ts
  cluster:
    certificate-authority-data: ${base64(authority)}
    server: ${server}
contexts:
- name: k8ts
  context:
    cluster: k8ts
    user: ${JSON.stringify(user)}
current-context: k8ts
preferences: {}
users:
- name: ${JSON.stringify(user)}
  user:
    client-certificate-data: ${base64(client.certificate)}
    client-key-data: ${base64(client.key)}
`;
}

/** The client's certificate and key out of a kubeconfig that `kubeconfig` wrote. */
export function clientOf(text: string): KeyPair | undefined {
  const certificate = /^ +client-certificate-data: (\S+)$/m.exec(text)?.[1];
  const key = /^ +client-key-data: (\S+)$/m.exec(text)?.[1];
  return certificate && key ? { certificate: plain(certificate), key: plain(key) } : undefined;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const plain = (text: string) => Buffer.from(text, "base64").toString();
